"""Calibration: metrics by their definition, the best temperature, and decisions that stay as they are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

import eurosat_cls
from eurosat_cls import Classifier, Trainer
from eurosat_cls.analysis.calibration import BINS, reliability
from eurosat_cls.callbacks import Checkpoints, WeightAverage
from eurosat_cls.checkpoints.compatibility import check_fits
from eurosat_cls.data import Demo
from eurosat_cls.data.batch import TaskName
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.models.temperature import HIGHEST, LOWEST, fit_temperature
from tests.conftest import BARE
from tests.models.test_classifier import NAMES, TINY, build

TASKS: list[TaskName] = ["multiclass", "binary", "multilabel"]


def drawn(task: TaskName, temperature: float, n: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are too large by a factor, and the labels that they would be right about without it."""
    generator = torch.Generator().manual_seed(1)
    honest = torch.randn(n, 1 if task == "binary" else 5, generator=generator) * 2
    if task == "multiclass":
        target = torch.multinomial(honest.softmax(1), 1, generator=generator).squeeze(1)
    else:
        target = torch.bernoulli(honest.sigmoid(), generator=generator)
        target = target.squeeze(1).long() if task == "binary" else target
    return honest * temperature, target


def nll(logits: torch.Tensor, target: torch.Tensor, task: TaskName, temperature: float) -> float:
    scaled = logits.double() / temperature
    if task == "multiclass":
        return float(F.cross_entropy(scaled, target))
    return float(F.binary_cross_entropy_with_logits(scaled, target.reshape(scaled.shape).double()))


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_is_found_and_is_the_best(task: TaskName, temperature: float) -> None:
    logits, target = drawn(task, temperature)
    found = fit_temperature(logits, target, task)
    assert found == pytest.approx(temperature, rel=0.06)
    best = min(np.geomspace(LOWEST, HIGHEST, 2000), key=lambda t: nll(logits, target, task, t))
    assert found == pytest.approx(best, rel=0.003)
    assert nll(logits, target, task, found) <= nll(logits, target, task, best) + 1e-12
    assert fit_temperature(logits, target, task) == found


def test_a_temperature_that_has_no_best_value_is_a_bound_or_one() -> None:
    target = torch.arange(30) % 3
    right = F.one_hot(target, 3) * 5.0
    assert fit_temperature(right, target, "multiclass") == LOWEST
    assert fit_temperature(right, (target + 1) % 3, "multiclass") == HIGHEST
    assert fit_temperature(torch.zeros(30, 3), target, "multiclass") == 1
    assert fit_temperature(torch.empty(0, 3), torch.empty(0).long(), "multiclass") == 1
    assert fit_temperature(torch.full((30, 3), torch.nan), target, "multiclass") == 1


@pytest.mark.parametrize("task", TASKS)
def test_patches_with_nan_change_nothing(task: TaskName) -> None:
    logits, target = drawn(task, 2.0, 300)
    damaged = torch.cat([logits, torch.full_like(logits[:9], torch.nan), torch.full_like(logits[:1], torch.inf)])
    labels = torch.cat([target, target[:10]])
    assert fit_temperature(damaged, labels, task) == fit_temperature(logits, target, task)
    assert reliability(damaged, labels, task).error == reliability(logits, target, task).error


def test_the_metrics_agree_with_their_definitions() -> None:
    logits, target = drawn("multiclass", 2.0)
    found = reliability(logits, target, "multiclass")
    probabilities = logits.double().softmax(1)
    expected = multiclass_calibration_error(probabilities, target, 5, n_bins=BINS, norm="l1")
    assert found.error == pytest.approx(float(expected), abs=1e-4)
    assert found.brier == pytest.approx(float((probabilities - F.one_hot(target, 5)).square().sum(1).mean()))
    assert found.nll == pytest.approx(nll(logits, target, "multiclass", 1.0))
    assert int(found.count.sum()) == len(target)
    logits, target = drawn("binary", 2.0)
    found = reliability(logits, target, "binary")
    expected = binary_calibration_error(logits[:, 0].double().sigmoid(), target, n_bins=BINS, norm="l1")
    assert found.error == pytest.approx(float(expected), abs=1e-4)
    assert found.brier == pytest.approx(float((logits[:, 0].double().sigmoid() - target).square().mean()))


@pytest.mark.parametrize("task", TASKS)
def test_the_temperature_makes_probabilities_more_honest(task: TaskName) -> None:
    logits, target = drawn(task, 3.0)
    before, after = (reliability(logits, target, task, t) for t in (1.0, fit_temperature(logits, target, task)))
    assert after.error < before.error / 3
    assert after.brier < before.brier
    assert after.nll < before.nll


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("temperature", [LOWEST, 0.7, HIGHEST])
@pytest.mark.parametrize("threshold", [0.001, 0.3, 0.5, 0.995])
def test_decisions_never_change(task: TaskName, temperature: float, threshold: float) -> None:
    names = NAMES[:2] if task == "binary" else NAMES
    chosen = {} if task == "multiclass" else {"threshold": threshold}
    plain, calibrated = (build(class_names=names, task=task, calibrate=c, **chosen) for c in (False, True))
    calibrated.temperature.fill_(temperature)
    logits = torch.randn(4000, plain.rules.outputs, generator=torch.Generator().manual_seed(0)) * 6
    before, after = plain.postprocessing.probabilities(logits), calibrated.postprocessing.probabilities(logits)
    assert plain.postprocessing.decide(before)[0] == calibrated.postprocessing.decide(after)[0]
    assert (before - after).abs().max() > 0.05
    target = torch.randint(0, 2, (4000, 3)).float() if task == "multilabel" else torch.randint(0, 2, (4000,))
    judged, moved = calibrated.postprocessing.calibrated(logits)
    scored = (calibrated.rules.scored(judged, target, moved)[0], plain.rules.scored(logits, target, plain.threshold)[0])
    decided = [scores.argmax(1) if task == "multiclass" else scores > 0.5 for scores in scored]
    assert torch.equal(*decided)
    epoch_outputs = EpochOutputs(logits, target, torch.arange(4000))
    assert torch.equal(
        plain.postprocessing.confusion_matrix(epoch_outputs), calibrated.postprocessing.confusion_matrix(epoch_outputs)
    )


def fit(folder: Path, epochs: int = 3, resume: Path | None = None, callbacks: Any = (), **settings: Any) -> Classifier:
    torch.manual_seed(0)
    data = Demo(patches_per_class=20, batch_size=40)
    model = Classifier(TINY, data.class_names, data.bands, mean=data.mean, std=data.std, **settings)
    quiet = {key: value for key, value in BARE.items() if key != "enable_checkpointing"}
    trainer = Trainer(max_epochs=epochs, accelerator="cpu", precision="32-true", default_root_dir=folder,
                      callbacks=[*callbacks, Checkpoints(dirpath=str(folder))], **quiet)  # fmt: skip
    trainer.fit(model, datamodule=data, ckpt_path=resume)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("average", [False, True])
def test_every_checkpoint_holds_the_temperature_of_its_own_validation(tmp_path: Path, average: bool) -> None:
    fit(tmp_path, callbacks=[WeightAverage(decay=0.8)] if average else [])
    found = []
    for name in ("best", "last"):
        model = eurosat_cls.load(tmp_path / f"{name}.ckpt")
        data = Demo(patches_per_class=20, batch_size=40)
        trainer = Trainer(accelerator="cpu", precision="32-true", **BARE)
        trainer.validate(model, datamodule=data, verbose=False)
        logits, target, *_ = model.val_scores.epoch_outputs()
        found.append(float(model.temperature))
        assert found[-1] == pytest.approx(fit_temperature(logits, target, "multiclass"), rel=1e-3)
    assert 1.0 not in found


@pytest.mark.slow
def test_load_and_predict_calibrate_when_asked(tmp_path: Path) -> None:
    fit(tmp_path)
    plain, calibrated = (eurosat_cls.load(tmp_path, calibrate=c) for c in (None, True))
    data = Demo(patches_per_class=20)
    images = data.store.read(data.split.test)
    before, after = plain.predict(images), calibrated.predict(images)
    with torch.no_grad():
        expected = (plain(torch.from_numpy(images)) / plain.temperature).softmax(1)
    np.testing.assert_allclose(after.probabilities, expected, atol=1e-5)
    assert before.names == after.names
    assert np.abs(before.confidence - after.confidence).max() > 0.01


@pytest.mark.slow
def test_a_checkpoint_of_before_loads_and_says_when_it_cannot_be_calibrated(tmp_path: Path) -> None:
    fit(tmp_path)
    saved = torch.load(tmp_path / "best.ckpt", weights_only=True)
    del saved["state_dict"]["temperature"], saved["hyper_parameters"]["calibrate"]
    torch.save(saved, tmp_path / "old.ckpt")
    assert float(eurosat_cls.load(tmp_path / "old.ckpt").temperature) == 1
    with pytest.warns(UserWarning, match="no temperature"):
        eurosat_cls.load(tmp_path / "old.ckpt", calibrate=True)
    told = {key: saved["hyper_parameters"][key] for key in ("class_names", "bands", "mean", "std")}
    check_fits(saved, build(**told), "old.ckpt")
    resumed = fit(tmp_path / "more", epochs=4, resume=tmp_path / "old.ckpt")
    assert float(resumed.temperature) != 1
    del saved["state_dict"]["decoder.linear.bias"]
    torch.save(saved, tmp_path / "broken.ckpt")
    with pytest.raises(eurosat_cls.UserError, match=r"decoder.linear.bias is missing"):
        eurosat_cls.load(tmp_path / "broken.ckpt")
