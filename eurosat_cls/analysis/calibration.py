"""How far probabilities can be taken at their word, and the one temperature that makes them more honest."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from eurosat_cls.data.batch import TaskName
from eurosat_cls.models.temperature import finite

BINS = 15  # of equal width, as in Guo et al. 2017


@dataclass(frozen=True)
class Reliability:
    """How well probabilities agree with what is true.

    A multiclass patch counts once, with the probability of its predicted class, which comes true when it is right. In
    a binary task it is the probability of the second class; in a multilabel task every label of every patch counts.

    Attributes:
        error: expected calibration error: mean distance between predicted probability and the share that came true,
            over :data:`BINS` bins of equal width, weighted by their counts.
        brier: mean squared distance of probabilities from 0 and 1; in a multiclass task summed over the classes, so
            that it is between 0 and 2 (Brier 1950).
        nll: mean negative log likelihood in nats.
        count: float64 ``[BINS]``, probabilities in each bin.
        predicted: float64 ``[BINS]``, their mean; NaN in an empty bin.
        true: float64 ``[BINS]``, share of them that came true; NaN in an empty bin.
    """

    error: float
    brier: float
    nll: float
    count: Tensor
    predicted: Tensor
    true: Tensor

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can hold it, empty bins as None."""
        bins = torch.stack([self.count, self.predicted, self.true], dim=1).tolist()
        return {
            "expected_calibration_error": self.error,
            "brier_score": self.brier,
            "negative_log_likelihood": self.nll,
            "bins": [
                {"from": number / BINS, "to": (number + 1) / BINS, "count": int(count),
                 "predicted": predicted if count else None, "true": true if count else None}
                for number, (count, predicted, true) in enumerate(bins)
            ],
        }  # fmt: skip


def reliability(logits: Tensor, target: Tensor, task: TaskName, temperature: float = 1.0) -> Reliability:
    """Compare probabilities at a temperature with the labels.

    Args:
        logits: ``[n, outputs]``; patches with NaN or infinite ones are left out.
        target: ``[n]`` int64, or ``[n, K]`` of 0 and 1.
        task: what a label means.
        temperature: what the logits are divided by.

    Returns:
        NaN where no patch is left.

    Source: Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.
    """
    logits, target = finite(logits, target)
    logits = logits / temperature
    if task == "multiclass":
        probabilities = logits.softmax(1)
        predicted, chosen = probabilities.max(1)
        true = (chosen == target).double()
        distances = (probabilities - F.one_hot(target, logits.shape[1])).square().sum(1)
        nll = F.cross_entropy(logits, target)
    else:
        labels = target.reshape(logits.shape).double()
        predicted, true = logits.sigmoid().flatten(), labels.flatten()
        distances = (predicted - true).square()
        nll = F.binary_cross_entropy_with_logits(logits, labels)
    place = (predicted * BINS).long().clamp_max(BINS - 1)
    count, sum_predicted, sum_true = (
        torch.zeros(BINS, dtype=torch.float64).index_add(0, place, values)
        for values in (torch.ones_like(predicted), predicted, true)
    )
    error = (sum_predicted - sum_true).abs().sum() / count.sum()
    means = sum_predicted / count, sum_true / count
    return Reliability(float(error), float(distances.mean()), float(nll), count, *means)


def before_and_after(logits: Tensor, target: Tensor, task: TaskName, temperature: float) -> dict[str, Any]:
    """Return the reliability without and with a temperature, as JSON can hold it; arguments as :func:`reliability`."""
    return {
        "patches": int(logits.isfinite().all(dim=1).sum()),
        "temperature": temperature,
        "before": reliability(logits, target, task).plain(),
        "after": reliability(logits, target, task, temperature).plain(),
    }


def describe(found: dict[str, Any], applied: bool) -> str:
    """Say in a line what :func:`before_and_after` found, and whether test and predict apply the temperature."""
    words = ("expected_calibration_error", "calibration error"), ("brier_score", "Brier score")
    before, after = (", ".join(f"{word} {found[when][key]:.4f}" for key, word in words) for when in ("before", "after"))
    if found["temperature"] == 1:
        return f"{before}; no temperature was fitted"
    use = "applied" if applied else "not applied, see model.calibrate"
    return f"{before}; at the temperature of the validation, {found['temperature']:.3f} ({use}): {after}"
