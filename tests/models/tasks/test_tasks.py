"""Each task: the loss, the weights, the probabilities, the decisions and the scores that belong to it."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from eurosat_cls import Classifier, UserError
from eurosat_cls.data import Batch
from eurosat_cls.data.batch import TaskName
from eurosat_cls.encoders import ResNet
from eurosat_cls.losses import FocalLoss, SigmoidFocalLoss
from eurosat_cls.models.tasks import task_for

NAMES = ["Forest", "River", "SeaLake"]
TINY = partial(ResNet, widths=(8, 16), blocks=(1, 1))


def build(task: TaskName, names: list[str] = NAMES, **arguments: object) -> Classifier:
    model = Classifier(TINY, names, ["B04", "B03"], task=task, **arguments)  # type: ignore[arg-type]
    return model.eval()


def batch(task: TaskName, n: int = 8) -> Batch:
    torch.manual_seed(3)
    image = torch.randint(0, 255, (n, 2, 32, 32), dtype=torch.uint8)
    targets = {
        "multiclass": torch.arange(n) % 3,
        "binary": torch.arange(n) % 2,
        "multilabel": torch.randint(0, 2, (n, 3)).float(),
    }
    return Batch(image, targets[task], torch.arange(n))


@pytest.mark.parametrize(("task", "names"), [("multiclass", NAMES), ("binary", NAMES[:2]), ("multilabel", NAMES)])
def test_the_default_loss_is_cross_entropy_of_the_task(task: TaskName, names: list[str]) -> None:
    model, (image, target, _) = build(task, names), batch(task)
    logits = model(image)
    expected = {
        "multiclass": lambda: nn.functional.cross_entropy(logits, target),
        "binary": lambda: nn.functional.binary_cross_entropy_with_logits(logits[:, 0], target.float()),
        "multilabel": lambda: nn.functional.binary_cross_entropy_with_logits(logits, target),
    }[task]()
    torch.testing.assert_close(model.loss(*model.rules.for_loss(logits, target)), expected)
    assert logits.shape[1] == (1 if task == "binary" else 3)


def test_probabilities_have_one_column_per_class() -> None:
    image = batch("binary").image
    for task, names in (("multiclass", NAMES), ("binary", NAMES[:2]), ("multilabel", NAMES)):
        model = build(task, names)  # type: ignore[arg-type]
        probabilities = model.predict_step(Batch(image, torch.zeros(8).long(), torch.arange(8)), 0)
        assert probabilities.shape == (8, len(names))
        sums = probabilities.sum(1)
        assert task == "multilabel" or torch.allclose(sums, torch.ones(8))


def test_decisions_follow_the_threshold() -> None:
    binary, several = task_for("binary", ["none", "cloud"]), task_for("multilabel", NAMES)
    probabilities = torch.tensor([[0.7, 0.3], [0.4, 0.6]])
    names, confidence = binary.decide(probabilities, torch.tensor([0.5]))
    assert (names, confidence.tolist()) == (["none", "cloud"], pytest.approx([0.7, 0.6]))
    assert binary.decide(probabilities, torch.tensor([0.25]))[0] == ["cloud", "cloud"]
    names, confidence = several.decide(torch.tensor([[0.9, 0.2, 0.6], [0.1, 0.2, 0.3]]), torch.full((3,), 0.5))
    assert names == ["Forest|SeaLake", ""]
    torch.testing.assert_close(confidence, torch.tensor([0.6, 0.7]))


def test_scores_use_the_threshold_and_losses_do_not() -> None:
    model, data = build("multilabel", threshold=0.9), batch("multilabel")
    scored, target = model.rules.scored(model(data.image), data.target, model.threshold)
    assert torch.equal(scored > 0.5, model(data.image).sigmoid() > 0.9)
    assert target.dtype == torch.int64


def test_mixed_targets_are_scored_by_the_larger_share() -> None:
    rules = task_for("multiclass", NAMES)
    target = torch.tensor([[0.4, 0.6, 0.0], [0.0, 0.1, 0.9]])
    assert rules.scored(torch.zeros(2, 3), target, torch.empty(0))[1].tolist() == [1, 2]
    assert task_for("binary", NAMES[:2]).scored(torch.zeros(2, 1), torch.tensor([0.7, 0.2]), torch.tensor([0.5]))[
        1
    ].tolist() == [1, 0]


@pytest.mark.parametrize("loss", [None, SigmoidFocalLoss])
def test_class_weights_reach_the_losses_of_independent_decisions(loss: type[nn.Module] | None) -> None:
    logits = torch.tensor([[-4.0], [-4.0]])
    plain, heavy = (
        build("binary", NAMES[:2], loss=loss, class_weights=weights)
        for weights in (None, {"Forest": 1.0, "River": 5.0})
    )
    missed, right = torch.ones(2).long(), torch.zeros(2).long()

    def value(model: Classifier, target: torch.Tensor) -> float:
        return float(model.loss(*model.rules.for_loss(logits, target)))

    assert value(heavy, missed) == pytest.approx(5 * value(plain, missed))
    assert value(heavy, right) == pytest.approx(value(plain, right))


def test_balanced_weights_count_negatives_over_positives_of_each_label() -> None:
    model = build("multilabel", class_weights="balanced", class_counts=[10, 50, 20], train_patches=100)
    assert model.loss.pos_weight.tolist() == [9.0, 1.0, 4.0]  # type: ignore[union-attr, operator]
    named = build("multilabel", class_weights={"River": 3.0})
    assert named.loss.weight.tolist() == [1.0, 3.0, 1.0]  # type: ignore[union-attr, operator]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"task": "binary"}, "needs two classes"),
        ({"task": "multilabel", "loss": nn.CrossEntropyLoss}, "does not fit the task multilabel"),
        ({"task": "multilabel", "loss": partial(FocalLoss, gamma=1.0)}, "BCEWithLogitsLoss does"),
        ({"task": "multiclass", "loss": SigmoidFocalLoss}, "CrossEntropyLoss does"),
        ({"task": "multilabel", "class_weights": "balanced", "class_counts": [0, 5, 5], "train_patches": 9},
         "every label"),
        ({"task": "multilabel", "threshold": 1.5}, "between 0 and 1"),
        ({"task": "sorting"}, "is not one of"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Classifier(TINY, NAMES, ["B04", "B03"], **arguments)  # type: ignore[arg-type]


def test_one_class_is_refused() -> None:
    with pytest.raises(UserError, match="one class only"):
        build("multiclass", ["Forest"])


def test_a_threshold_without_effect_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="no effect"):
        build("multiclass", threshold=0.3)


def test_tuned_thresholds_have_the_best_f1() -> None:
    rng = np.random.default_rng(0)
    target = torch.from_numpy(rng.integers(0, 2, (400, 3)))
    # The classes' scores overlap around 0.2, 0.5 and 0.8.
    probabilities = torch.from_numpy(rng.normal([0.2, 0.5, 0.8], 0.05, (400, 3))).float()
    probabilities = (probabilities + (target - 0.5) * 0.2).clamp(0.001, 0.999)
    found = task_for("multilabel", NAMES).best_thresholds(probabilities.logit(), target.float())

    def f1(k: int, threshold: float) -> float:
        predicted = probabilities[:, k] > threshold
        hits = float((predicted & (target[:, k] == 1)).sum())
        return 2 * hits / float(predicted.sum() + target[:, k].sum())

    for k, about in enumerate((0.2, 0.5, 0.8)):
        assert abs(float(found[k]) - about) < 0.1
        assert f1(k, float(found[k])) > max(f1(k, t) for t in np.linspace(0.01, 0.99, 99)) - 0.01


def test_a_label_without_positives_keeps_one_half() -> None:
    assert task_for("binary", NAMES[:2]).best_thresholds(torch.rand(20, 1), torch.zeros(20).long()).tolist() == [0.5]


@pytest.mark.parametrize(("task", "names"), [("binary", NAMES[:2]), ("multilabel", NAMES)])
def test_merging_equal_views_changes_nothing(task: TaskName, names: list[str]) -> None:
    rules, logits = task_for(task, names), torch.tensor([[-3.0], [0.5]]).expand(2, 1 if task == "binary" else 3)
    torch.testing.assert_close(rules.merge([logits] * 8), logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("task", "names"), [("binary", NAMES[:2]), ("multilabel", NAMES)])
def test_a_sigmoid_classifier_reloads_with_its_threshold(task: TaskName, names: list[str]) -> None:
    first, second = build(task, names, threshold="tune"), build(task, names, threshold="tune")
    first.threshold.fill_(0.31)
    second.load_state_dict(first.state_dict())
    assert second.threshold.unique().item() == pytest.approx(0.31)
    data = batch(task)
    torch.testing.assert_close(first(data.image), second(data.image))


def test_binary_metrics_agree_with_counting() -> None:
    metrics = task_for("binary", NAMES[:2]).metrics(None)
    torch.manual_seed(0)
    score, target = torch.rand(60), torch.randint(0, 2, (60,))
    for part in range(0, 60, 20):
        metrics.update(score[part : part + 20], target[part : part + 20])
    metrics = {name: float(value) for name, value in metrics.compute().items()}
    hit = (score > 0.5).long() == target
    assert metrics["accuracy"] == pytest.approx(hit.float().mean().item())

    def f1(k: int) -> float:
        ours, theirs = (score > 0.5).long() == k, target == k
        return 2 * float((ours & theirs).sum()) / float(ours.sum() + theirs.sum())

    assert metrics["f1"] == pytest.approx(f1(1))
    assert metrics["macro_f1"] == pytest.approx((f1(0) + f1(1)) / 2)
    pairs = score[target == 1][:, None] > score[target == 0][None]
    assert metrics["auroc"] == pytest.approx(pairs.float().mean().item(), abs=0.01)
