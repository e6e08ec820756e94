"""The metrics that are computed when none are configured, and whether more or less of a metric is better."""

import inspect
import re
from typing import Any, Literal

import torch
import torchmetrics.classification
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import BinaryStatScores, MulticlassAccuracy, MulticlassF1Score

Mode = Literal["max", "min"]


class MeanLoss(Metric):
    """Mean of a loss over samples, from means over batches of different sizes; NaN stays NaN.

    torchmetrics' own MeanMetric forgets its weights where it is told to leave NaN alone (version 1.9).
    """

    higher_is_better = False
    total: Tensor
    samples: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("samples", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, loss: Tensor, samples: int) -> None:
        """Add the mean loss of a batch of so many samples."""
        self.total += loss.detach().float() * samples
        self.samples += samples

    def compute(self) -> Tensor:
        """Return the mean as a float32 scalar."""
        return self.total / self.samples


class MacroF1(MulticlassF1Score):
    """F1 score of each class, averaged over the classes.

    Args:
        num_classes: ``K``.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="macro", validate_args=False)


class Accuracy(MulticlassAccuracy):
    """Share of samples whose most probable class is the right one.

    It counts by class as MacroF1 does, so that a collection can update both at once.

    Args:
        num_classes: ``K``.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="macro", validate_args=False)

    def compute(self) -> Tensor:
        """Return the share as a float32 scalar."""
        hits, missed = torch.as_tensor(self.tp), torch.as_tensor(self.fn)
        return hits.sum() / (hits.sum() + missed.sum())


class BinaryMacroF1(BinaryStatScores):
    """Mean of the F1 scores of the positive and of the negative class."""

    higher_is_better = True

    def __init__(self) -> None:
        super().__init__(validate_args=False)

    def compute(self) -> Tensor:
        """Return the mean as a float32 scalar."""
        hits = torch.stack([torch.as_tensor(self.tp), torch.as_tensor(self.tn)])
        wrong = torch.as_tensor(self.fp) + torch.as_tensor(self.fn)
        scores = 2 * hits / (2 * hits + wrong).clamp_min(1)
        return scores.float().mean()


# Metrics of torchmetrics that do not say which is better, without the task in their names.
_KNOWN: dict[str, Mode] = {"EER": "min", "NegativePredictiveValue": "max", "Specificity": "max",
                           "TweedieDevianceScore": "min"}  # fmt: skip
_LESS_IS_BETTER = ("loss", "error", "brier")


def direction_of(metric: Any) -> Mode | None:
    """Return whether more or less of a metric is better, None where it does not say; of an object or its class.

    Example:
        >>> direction_of(Accuracy), direction_of(torchmetrics.HammingDistance), direction_of(torchmetrics.MeanMetric)
        ('max', 'min', None)
    """
    name = metric.__name__ if inspect.isclass(metric) else type(metric).__name__
    # torchmetrics.Accuracy and such become that of the task when they are made.
    of_task = (getattr(torchmetrics.classification, f"{task}{name}", None) for task in ("Multiclass", "Multilabel"))
    for each in (metric, *of_task, getattr(metric, "metric", None)):
        if isinstance(higher := getattr(each, "higher_is_better", None), bool):
            return "max" if higher else "min"
    return _KNOWN.get(re.sub("^(Binary|Multiclass|Multilabel)", "", name))


def mode_of(metric: str) -> Mode:
    """Whether more (``max``) or less (``min``) of a metric is better, by its name.

    Example:
        >>> mode_of("val/calibration_error"), mode_of("val/macro_f1")
        ('min', 'max')
    """
    return "min" if any(word in metric.lower() for word in _LESS_IS_BETTER) else "max"
