"""The patches that are shown as the hardest are the hardest."""

import pytest
import torch
from torch import Tensor

from eurosat_cls.analysis.hard_examples import Decisions, HardExample, decisions_of, find_hard_examples
from eurosat_cls.data.batch import TaskName
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.models.tasks import task_for
from eurosat_cls.utils.errors import UserError

NAMES = ["Forest", "River", "SeaLake"]
NAN = float("nan")


def decide(task: TaskName, probabilities: list[list[float]], target: list[object], threshold: float = 0.5) -> Decisions:
    """Decisions of patches in rows 10, 11, ... that a model gives these probabilities (in a binary task one each)."""
    rules = task_for(task, NAMES if task != "binary" else NAMES[:2])
    given = torch.tensor(probabilities)
    logits = given.log() if task == "multiclass" else given.logit()
    truth: Tensor = torch.tensor(target)
    epoch_outputs = EpochOutputs(logits, truth.float() if truth.ndim == 2 else truth, 10 + torch.arange(len(given)))
    return decisions_of(rules, torch.full((rules.thresholds,), threshold), epoch_outputs)


def told(case: HardExample) -> tuple[int, str, float, str, float]:
    (said, p), (other, q) = case.said, case.other
    return case.patch, said.name, round(p, 3), other.name, round(q, 3)


def test_errors_begin_with_the_most_confident_and_hits_with_the_least_certain() -> None:
    said = [[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.35, 0.45], [0.9, 0.06, 0.04], [0.05, 0.03, 0.92]]
    decisions = decide("multiclass", said, [1, 0, 2, 0, 2])
    errors, hits = find_hard_examples(decisions, 3)
    assert [told(case) for case in errors] == [(11, "River", 0.8, "Forest", 0.1), (10, "Forest", 0.6, "River", 0.3)]
    assert [told(case) for case in hits] == [
        (12, "SeaLake", 0.45, "River", 0.35), (13, "Forest", 0.9, "River", 0.06), (14, "SeaLake", 0.92, "Forest", 0.05)
    ]  # fmt: skip
    assert [len(cases) for cases in find_hard_examples(decisions, 1)] == [1, 1]


def test_a_confidence_next_to_one_is_no_tie() -> None:
    rules = task_for("multiclass", NAMES)
    logits = torch.tensor([[30.0, 0, 0], [40.0, 0, 0], [20.0, 0, 0]])
    decisions = decisions_of(rules, torch.empty(0), EpochOutputs(logits, torch.tensor([1, 1, 1]), torch.arange(3)))
    assert [case.patch for case in find_hard_examples(decisions, 3).errors] == [1, 0, 2]


def test_a_binary_decision_changes_at_the_threshold() -> None:
    decisions = decide("binary", [[0.3], [0.15], [0.9]], [0, 1, 1], threshold=0.2)
    errors, hits = find_hard_examples(decisions, 9)
    assert [told(case) for case in errors] == [
        (11, "Forest", 0.85, "River", 0.15), (10, "River", 0.3, "Forest", 0.7)
    ]  # fmt: skip
    assert [told(case) for case in hits] == [(12, "River", 0.9, "Forest", 0.1)]
    sides = [case.said.side for case in errors]
    assert [(side.output, side.sign) for side in sides] == [(0, -1), (0, 1)]


def test_a_patch_of_several_labels_is_shown_with_its_worst_decision() -> None:
    said = [[0.9, 0.4, 0.7], [0.2, 0.6, 0.05], [0.99, 0.01, 0.45]]
    decisions = decide("multilabel", said, [[0, 1, 1], [0, 1, 1], [1, 0, 0]])
    errors, hits = find_hard_examples(decisions, 9)
    assert [told(case) for case in errors] == [
        (11, "no SeaLake", 0.95, "SeaLake", 0.05), (10, "Forest", 0.9, "no Forest", 0.1)
    ]  # fmt: skip
    assert [told(case) for case in hits] == [(12, "no SeaLake", 0.55, "SeaLake", 0.45)]
    assert [(case.said.side.output, case.said.side.sign) for case in errors] == [(2, -1), (0, 1)]
    assert int(decisions.wrong.sum()) == 3, "the third one is the first patch's River"


@pytest.mark.parametrize("target", [[0, 0, 1], [[1, 0, 0], [1, 0, 0], [0, 1, 0]]])
def test_what_is_no_number_is_an_error_but_not_shown(target: list[object]) -> None:
    task: TaskName = "multilabel" if isinstance(target[0], list) else "multiclass"
    decisions = decide(task, [[NAN, NAN, NAN], [0.8, 0.1, 0.1], [0.7, 0.2, 0.1]], target)
    errors, hits = find_hard_examples(decisions, 9)
    assert [case.patch for case in errors] == [12]
    assert [case.patch for case in hits] == [11]
    last = decisions.errors()[-1]
    assert decisions.place[last] == 0


def test_no_errors_leave_hits_and_nothing_but_nan_leaves_nothing() -> None:
    errors, hits = find_hard_examples(decide("multiclass", [[0.5, 0.3, 0.2]], [0]), 9)
    assert (len(errors), len(hits)) == (0, 1)
    with pytest.raises(UserError, match="NaN"):
        find_hard_examples(decide("multiclass", [[NAN, NAN, NAN]], [0]), 9)
