"""The patches that a classifier finds hardest: its most confident errors and its least certain hits.

Shape legend: n patches, K classes, S sides, m decisions.
"""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.models.tasks.base import Task
from eurosat_cls.utils.errors import UserError


class ClassTarget(NamedTuple):
    """One of the things that can be said of a patch.

    Attributes:
        name: a class, or in a multilabel task also ``no`` and a class.
        output: the logit that decides.
        sign: 1 where a high logit speaks for it, -1 where it speaks against it.
    """

    name: str
    output: int
    sign: int


class ScoredTarget(NamedTuple):
    """A side and its probability."""

    side: ClassTarget
    probability: float


class HardExample(NamedTuple):
    """A decision to look at.

    Attributes:
        patch: position of the patch in the store.
        said: what was decided.
        other: of an error the truth, of a hit what was next likely.
    """

    patch: int
    said: ScoredTarget
    other: ScoredTarget


class HardExamples(NamedTuple):
    """What :func:`find_hard_examples` found.

    Attributes:
        errors: at most one of each patch, the most confident one first.
        hits: of patches without an error, the least certain one first.
    """

    errors: list[HardExample]
    hits: list[HardExample]

    @property
    def cases(self) -> list[HardExample]:
        """All of them, the errors first."""
        return [*self.errors, *self.hits]


class Decisions(NamedTuple):
    """What was decided: the class of each patch, or in a multilabel task of each label whether it is there.

    Attributes:
        sides: the ``S`` things that can be said: the classes; in a multilabel task first all labels that are there,
            then all that are not.
        probabilities: ``[n, S]`` float64.
        indices: ``[n]`` int64, positions in the store.
        place: ``[m]`` int64, whose decision it is, a position in ``indices``.
        said: ``[m]`` int64, a side.
        true: ``[m]`` int64, a side.
        confidence: ``[m]`` float64, the probability of what was said; NaN where the logits are no numbers.
    """

    sides: list[ClassTarget]
    probabilities: np.ndarray
    indices: np.ndarray
    place: np.ndarray
    said: np.ndarray
    true: np.ndarray
    confidence: np.ndarray

    @property
    def multilabel(self) -> bool:
        """Whether a patch has several decisions."""
        return len(self.place) > len(self.indices)

    @property
    def wrong(self) -> np.ndarray:
        """``[m]`` bool; a decision without a number is wrong."""
        wrong: np.ndarray = (self.said != self.true) | np.isnan(self.confidence)
        return wrong

    def errors(self) -> np.ndarray:
        """Return the wrong decisions, the most confident one first and those without a number last."""
        wrong = np.flatnonzero(self.wrong)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")]


def decisions_of(rules: Task, threshold: Tensor, epoch_outputs: EpochOutputs) -> Decisions:
    """Return the decisions of a validation or a test.

    Args:
        rules: those of the model's task.
        threshold: the model's thresholds.
        epoch_outputs: what was said of the ``n`` patches.
    """
    # In float64, as in float32 many a confident decision would be a tie at 1.
    logits, target = epoch_outputs.logits.detach().cpu().double(), epoch_outputs.target.cpu()
    scored, truth = rules.scored(logits, target, threshold.detach().cpu().double())
    probability = rules.probabilities(logits).numpy()
    names, count, patches = rules.class_names, len(rules.class_names), len(logits)
    place = np.arange(patches)
    if truth.ndim == 2:
        sides = [ClassTarget(name, k, 1) for k, name in enumerate(names)]
        sides += [ClassTarget(f"no {name}", k, -1) for k, name in enumerate(names)]
        probability = np.concatenate([probability, 1 - probability], axis=1)
        place = place.repeat(count)
        present = np.stack([(scored > 0.5).numpy(), truth.numpy() > 0]).reshape(2, -1)
        said, true = np.where(present, 0, count) + np.tile(np.arange(count), patches)
    elif rules.outputs == 1:
        sides = [ClassTarget(name, 0, 2 * k - 1) for k, name in enumerate(names)]
        said, true = (scored > 0.5).long().numpy(), truth.numpy()
    else:
        sides = [ClassTarget(name, k, 1) for k, name in enumerate(names)]
        said, true = scored.argmax(dim=1).numpy(), truth.numpy()
    confidence = probability[place, said]
    return Decisions(sides, probability, epoch_outputs.indices.cpu().numpy(), place, said, true, confidence)


def find_hard_examples(decisions: Decisions, patches: int) -> HardExamples:
    """Return the most confident errors and the least certain hits.

    Patches whose logits are no numbers are left out.

    Args:
        decisions: of all patches.
        patches: how many of each at most.

    Raises:
        UserError: when none is left.
    """
    numbers = ~np.isnan(decisions.confidence)
    errors = decisions.errors()
    in_doubt = np.isin(decisions.place, decisions.place[decisions.wrong])
    hits = np.flatnonzero(~in_doubt)
    hits = hits[np.argsort(decisions.confidence[hits], kind="stable")]
    hardest = HardExamples(
        [_case(decisions, m) for m in _one_of_each(decisions, errors[numbers[errors]], patches)],
        [_case(decisions, m) for m in _one_of_each(decisions, hits, patches)],
    )
    if not hardest.cases:
        raise UserError("no patch has a probability, as all logits are NaN.")
    return hardest


def _one_of_each(decisions: Decisions, order: np.ndarray, patches: int) -> list[int]:
    """The first decision of each of the first patches in this order."""
    _, first = np.unique(decisions.place[order], return_index=True)
    return [int(m) for m in order[np.sort(first)[:patches]]]


def _case(decisions: Decisions, m: int) -> HardExample:
    place, said, other = int(decisions.place[m]), int(decisions.said[m]), int(decisions.true[m])
    probabilities, sides = decisions.probabilities[place], decisions.sides
    if said == other and decisions.multilabel:
        other = (said + len(sides) // 2) % len(sides)
    elif said == other:
        other = int(np.argmax(np.where(np.arange(len(sides)) == said, -1.0, probabilities)))
    return HardExample(
        int(decisions.indices[place]),
        ScoredTarget(sides[said], float(probabilities[said])),
        ScoredTarget(sides[other], float(probabilities[other])),
    )
