"""How far probabilities can be taken at their word, and the one temperature that makes them more honest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from eurosat_cls.data.batch import Task

BINS = 15  # of equal width, as in Guo et al. 2017
LOWEST, HIGHEST = 0.1, 10.0  # temperatures; without an error among the patches the best one would be 0
_STEPS = 50


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


def finite(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits and targets on the CPU, logits as float64, without patches of which a logit is NaN or infinite."""
    logits, target = logits.detach().cpu().double(), target.cpu()
    kept = logits.isfinite().all(dim=1)
    return logits[kept], target[kept]


def reliability(logits: Tensor, target: Tensor, task: Task, temperature: float = 1.0) -> Reliability:
    """Compare probabilities at a temperature with the labels.

    Args:
        logits: ``[n, outputs]``; patches with NaN or infinite ones are left out.
        target: ``[n]`` int64, or ``[n, K]`` of 0 and 1.
        task: what a label means.
        temperature: what the logits are divided by.

    Returns:
        NaN figures where no patch is left.

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


def fit_temperature(logits: Tensor, target: Tensor, task: Task) -> float:
    """Return the temperature at which the negative log likelihood is lowest, within [0.1, 10].

    The likelihood is convex in the inverse temperature, so Newton's method, kept between bounds, finds it in a few
    steps of float64; nothing is random.

    Args:
        logits: ``[n, outputs]``; patches with NaN or infinite ones are left out.
        target: ``[n]`` int64, or ``[n, K]`` of 0 and 1.
        task: a softmax over the outputs when multiclass, else a sigmoid of each.

    Returns:
        1 where there is nothing to learn from (no patch, all logits alike); 0.1 where no patch is wrong.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    logits, target = finite(logits, target)
    if not len(logits):
        return 1.0
    slope_at, low, high, inverse = _likelihood(logits, target, task), 1 / HIGHEST, 1 / LOWEST, 1.0
    slope, curvature = slope_at(inverse)
    if curvature <= 0 or slope == 0:
        return 1.0
    bound = high if slope < 0 else low
    if slope_at(bound)[0] * slope >= 0:  # still going down there
        return 1 / bound
    for _ in range(_STEPS):
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        newton = inverse - slope / curvature if curvature > 0 else low
        following = newton if low < newton < high else (low * high) ** 0.5
        if abs(following - inverse) <= 1e-7 * inverse:
            break
        inverse = following
        slope, curvature = slope_at(inverse)
    return 1 / inverse


def _likelihood(logits: Tensor, target: Tensor, task: Task) -> Callable[[float], tuple[float, float]]:
    """Return what gives the first and second derivative of the NLL by the inverse temperature."""
    if task != "multiclass":
        labels = target.reshape(logits.shape)

        def of_sigmoids(inverse: float) -> tuple[float, float]:
            chance = (logits * inverse).sigmoid()
            slope = ((chance - labels) * logits).mean()
            return float(slope), float((chance * (1 - chance) * logits.square()).mean())

        return of_sigmoids
    # Classes in rows, so that sums over them run along the patches: this is done after every validation. Below the
    # largest logit nothing overflows.
    values = (logits - logits.amax(1, keepdim=True)).T.contiguous()
    at_truth = values.gather(0, target[None]).mean()

    def of_softmax(inverse: float) -> tuple[float, float]:
        weight = (values * inverse).exp_()
        total = weight.sum(0)
        mean = weight.mul_(values).sum(0) / total
        square = weight.mul_(values).sum(0) / total
        return float(mean.mean() - at_truth), float((square - mean.square()).mean())

    return of_softmax


def before_and_after(logits: Tensor, target: Tensor, task: Task, temperature: float) -> dict[str, Any]:
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
