"""How often sets of classes hold the truth, and how much more is right where the doubtful patches are left out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from eurosat_cls.analysis.hard_examples import Decisions
from eurosat_cls.models.evidence import Evidence
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.intervals import wilson

RATES = (0.1, 0.05, 0.01)  # of errors, that a test looks at where none is asked for
SHARES = (0.5, 0.8, 0.9, 0.95, 1.0)  # of patches that are answered


def set_coverage(
    evidence: Evidence, probabilities: Tensor, target: Tensor, class_names: Sequence[str], rates: Sequence[float]
) -> dict[str, Any]:
    """Return how often sets of classes held the truth, by error rate, as JSON can hold it.

    Rates that the validation patches are too few for are left out.

    Args:
        evidence: statistics of the checkpoint.
        probabilities: ``[n, K]`` at its temperature.
        target: ``[n]`` int64.
        class_names: ``[K]``.
        rates: share of sets that may lack the truth.
    """
    found: dict[str, Any] = {}
    for rate in rates:
        try:
            sets = evidence.sets(probabilities, rate)
        except UserError:
            continue
        held, size = sets.gather(1, target.long()[:, None])[:, 0], sets.sum(1)
        found[f"{rate:g}"] = {
            "threshold": evidence.threshold(rate), "validation_patches": len(evidence.scores), **_share(held),
            "mean_size": float(size.float().mean()) if len(size) else 0.0,
            "empty": int((size == 0).sum()), "one_class": int((size == 1).sum()),
            "per_class": {name: _share(held[target == k]) for k, name in enumerate(class_names)},
        }  # fmt: skip
    return found


def _share(held: Tensor) -> dict[str, Any]:
    count, hits = len(held), int(held.sum())
    low, high = wilson(hits, count)
    return {"images": count, "coverage": hits / count if count else None, "low": low, "high": high}


def right_patches(decisions: Decisions) -> dict[str, Any]:
    """Return which share of patches is right in all that was decided for it, with its 95 % interval, as plain data."""
    count = len(decisions.indices)
    right = count - len(np.unique(decisions.place[decisions.wrong]))
    low, high = wilson(right, count)
    return {"images": count, "share": right / count, "low": low, "high": high}


def describe_right(found: Mapping[str, Any]) -> str:
    """Say in a line what :func:`right_patches` found."""
    interval = f"{found['low']:.4f} to {found['high']:.4f}"
    return f"right: {found['share']:.4f} of {found['images']:,} patches (95 % interval {interval})"


def describe_coverage(found: dict[str, Any]) -> str:
    """Say in a line what :func:`set_coverage` found."""
    said = [
        f"{rate}: {one['coverage']:.4f} [{one['low']:.4f}, {one['high']:.4f}], of {one['mean_size']:.2f} classes"
        for rate, one in found.items()
        if one["coverage"] is not None
    ]
    return f"sets of classes that hold the truth, by error rate: {'; '.join(said)}" if said else ""


def accuracy_by_doubt(decisions: Decisions, belief: np.ndarray | None = None) -> np.ndarray:
    """Return the accuracy ``[n]`` among the patches that one can believe most, by how many they are.

    Args:
        decisions: of a validation or a test; a patch is right when all that was decided for it is.
        belief: ``[n]``, by which patches are ordered; by default the confidence in the least certain decision.
    """
    count = len(decisions.indices)
    right, certain = np.ones(count, bool), np.full(count, np.inf)
    np.logical_and.at(right, decisions.place, ~decisions.wrong)
    np.minimum.at(certain, decisions.place, np.nan_to_num(decisions.confidence))
    order = np.argsort(-(certain if belief is None else belief), kind="stable")
    accuracy: np.ndarray = np.cumsum(right[order]) / np.arange(1, count + 1)
    return accuracy


def at_shares(accuracy: np.ndarray) -> dict[str, float]:
    """Return the accuracy at :data:`SHARES` of patches that are answered, and the mean over all shares as ``area``."""
    count = len(accuracy)
    found = {f"{share:g}": float(accuracy[max(1, round(share * count)) - 1]) for share in SHARES}
    return {**found, "area": float(accuracy.mean())}
