"""Sets of classes at an error rate and familiarity: what they promise, and what no checkpoint may hold."""

from pathlib import Path
from typing import Any

import pytest
import torch

import eurosat_cls
from eurosat_cls import UserError
from eurosat_cls.encoders import Tokens
from eurosat_cls.models.evidence import Evidence, fit_gaussians, nonconformity, pooled, shrunk
from tests.hostile.helpers import checkpoint
from tests.models.test_classifier import build, images


def evidence(scores: int = 199, size: int = 16, distances: int = 99) -> Evidence:
    ascending = torch.linspace(0.001, 1, scores)
    return Evidence(torch.zeros(1, size), torch.eye(size), torch.linspace(0, 3 * size, distances), ascending)


def test_sets_hold_the_truth_as_often_as_they_promise() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(40_000, 5, generator=generator)
    target = torch.distributions.Categorical(logits=logits).probs.multinomial(1, generator=generator)[:, 0]
    probabilities = (1.7 * logits).softmax(1)  # far too sure of itself
    scores = nonconformity(probabilities, target)
    for rate in (0.01, 0.1, 0.3):
        held = 0.0
        for trial in range(20):
            part = slice(2000 * trial, 2000 * trial + 500)
            known = evidence()._replace(scores=scores[part].sort().values)
            sets = known.sets(probabilities[part.stop : part.stop + 1500], rate)
            held += float(sets.gather(1, target[part.stop : part.stop + 1500, None]).float().mean()) / 20
        assert held == pytest.approx(1 - rate, abs=0.01)


def test_the_quantile_is_that_of_a_finite_sample() -> None:
    known = evidence()._replace(scores=torch.arange(1, 20) / 20)
    assert known.threshold(0.05) == pytest.approx(19 / 20)
    assert known.threshold(0.1) == pytest.approx(18 / 20)
    with pytest.raises(UserError, match=r"--error_rate 0\.04: the 19 validation patches allow rates from 0\.05 on"):
        known.threshold(0.04)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 7.0, float("nan")])
def test_an_error_rate_is_a_share(rate: float) -> None:
    with pytest.raises(UserError, match="it is a share between 0 and 1"):
        evidence().threshold(rate)


def test_several_labels_have_no_sets() -> None:
    with pytest.raises(UserError, match="for one class of several"):
        evidence()._replace(scores=torch.zeros(0)).threshold(0.1)


def test_familiarity_is_a_p_value_of_the_distance_from_the_nearest_class() -> None:
    generator = torch.Generator().manual_seed(0)
    centres, mix = 4 * torch.randn(3, 8, generator=generator), torch.randn(8, 8, generator=generator)

    def draw(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        label = torch.randint(3, (count,), generator=generator)
        return centres[label] + torch.randn(count, 8, generator=generator) @ mix, label

    means, whitening = fit_gaussians(*draw(6000))
    known = Evidence(means, whitening, torch.zeros(0), torch.zeros(0))
    known = known._replace(distances=known.distance(draw(4000)[0]).sort().values)
    assert float(known.distance(draw(2000)[0]).mean()) == pytest.approx(8, rel=0.15), "chi squared of 8 features"
    found = known.familiarity(draw(4000)[0])
    for p in (0.05, 0.5):
        assert float((found < p).float().mean()) == pytest.approx(p, abs=0.03)
    odd = known.familiarity(torch.stack([centres.mean(0) + 60, torch.full((8,), torch.nan)]))
    assert odd.tolist() == pytest.approx([1 / 4001, 1 / 4001])


def test_a_covariance_of_few_patches_is_pulled_towards_a_sphere() -> None:
    features = torch.randn(12, 30, generator=torch.Generator().manual_seed(0))
    _, whitening = fit_gaussians(features, torch.zeros(12, dtype=torch.int64))
    assert whitening.isfinite().all()
    assert float(whitening.diag().max()) < 3, "a singular covariance would have an infinite one"
    same = fit_gaussians(torch.ones(5, 4), torch.zeros(5, dtype=torch.int64))
    assert not same[1].any(), "what is all the same says nothing of others"
    many = torch.randn(4000, 3, generator=torch.Generator().manual_seed(1)).double() * torch.tensor([1.0, 2.0, 3.0])
    sample, fourth = many.T @ many / 4000, many.square().T @ many.square() / 4000
    torch.testing.assert_close(shrunk(sample, fourth, 4000), sample, rtol=0.01, atol=0.02)


def test_features_are_what_the_decoder_takes() -> None:
    tokens = torch.arange(12.0).reshape(1, 3, 4)
    assert pooled(Tokens(tokens, torch.tensor([[False, False, True]]))).tolist() == [[2, 3, 4, 5]]
    assert pooled(Tokens(tokens)).tolist() == [[4, 5, 6, 7]]
    assert pooled(tokens.reshape(1, 3, 2, 2)).tolist() == [[1.5, 5.5, 9.5]]


def test_predictions_from_python_say_what_is_unfamiliar() -> None:
    model = build().eval()
    plain = model.predict(images())
    assert plain.familiarity is None
    assert plain.sets is None
    for wish in ({"error_rate": 0.1}, {"min_familiarity": 0.1}):
        with pytest.raises(UserError, match="eurosat_cls upgrade RUN adds them"):
            model.predict(images(), **wish)  # type: ignore[arg-type]
    model.evidence = evidence()._replace(distances=torch.zeros(99))
    found = model.predict(images(), error_rate=0.1, min_familiarity=0.02)
    assert found.familiarity is not None
    assert found.familiarity.tolist() == pytest.approx([0.01] * 6)
    assert found.names == ["unfamiliar"] * 6
    assert found.sets is not None
    assert all(set(names) <= set(model.class_names) for names in found.sets)
    model.min_familiarity, model.error_rate = 0.02, 0.1
    assert model.prediction_columns() == ["predicted", "confidence", *model.class_names, "familiarity", "set"]
    rows = model.prediction_rows(torch.cat([torch.eye(3), torch.tensor([[0.01], [0.5], [1.0]])], 1))
    assert [row[0] for row in rows] == ["unfamiliar", "River", "SeaLake"]
    assert [row[-1] for row in rows] == ["Forest", "River", "SeaLake"]


@pytest.mark.parametrize(
    "wrong",
    [
        5,
        {"means": torch.zeros(1, 4)},
        {**evidence().plain(), "means": torch.zeros(1, 5)},
        {**evidence().plain(), "means": torch.zeros(0, 16)},
        {**evidence().plain(), "whitening": torch.full((16, 16), torch.inf)},
        {**evidence().plain(), "whitening": torch.eye(16).double()},
        {**evidence().plain(), "whitening": torch.tensor(1.0)},
        {**evidence().plain(), "distances": torch.tensor([2.0, 1.0])},
        {**evidence().plain(), "distances": torch.zeros(0)},
        {**evidence().plain(), "distances": torch.zeros(2, 2)},
        {**evidence().plain(), "scores": torch.tensor([-1.0])},
        {**evidence().plain(), "scores": torch.tensor([0.1, torch.nan])},
        {**evidence().plain(), "scores": [0.1]},
        {**evidence().plain(), "view_scores": torch.tensor([0.2, 0.1])},
        {**evidence().plain(), "view_temperature": torch.zeros(1)},
        {**evidence().plain(), "view_temperature": torch.ones(2)},
        {**evidence().plain(), "view_temperature": torch.ones(())},
    ],
)
def test_statistics_that_no_training_wrote_are_refused(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(UserError, match=r"evil\.ckpt: its statistics \(evidence\) are damaged"):
        eurosat_cls.load(checkpoint(tmp_path / "evil.ckpt", content={"evidence": wrong}))


def test_statistics_larger_than_the_file_or_of_another_network_are_refused(tmp_path: Path) -> None:
    huge = {**evidence().plain(), "whitening": torch.zeros(1, 1).expand(10**5, 10**5)}
    with pytest.raises(UserError, match="its tensors are larger than the file"):
        eurosat_cls.load(checkpoint(tmp_path / "evil.ckpt", content={"evidence": huge}))
    other = {"evidence": evidence(size=9).plain()}
    model = eurosat_cls.load(checkpoint(tmp_path / "other.ckpt", content=other))
    with pytest.raises(UserError, match="are of another network"):
        model.predict(torch.zeros(1, len(model.bands), 64, 64, dtype=torch.uint8))
