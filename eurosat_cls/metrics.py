"""The metrics that are computed when none are configured."""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score


class MeanLoss(Metric):
    """Mean of a loss over samples, from means over batches of different sizes; NaN stays NaN.

    torchmetrics' own MeanMetric forgets its weights where it is told to leave NaN alone (version 1.9).
    """

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


def accuracy(num_classes: int) -> Metric:
    """Share of samples whose most probable class is the right one."""
    return MulticlassAccuracy(num_classes, average="micro", validate_args=False)


def macro_f1(num_classes: int) -> Metric:
    """F1 score of each class, averaged over the classes."""
    return MulticlassF1Score(num_classes, average="macro", validate_args=False)
