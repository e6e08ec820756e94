"""Any set of classes."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import (
    MultilabelAccuracy,
    MultilabelAveragePrecision,
    MultilabelConfusionMatrix,
    MultilabelExactMatch,
    MultilabelF1Score,
    MultilabelPrecisionRecallCurve,
)

from eurosat_cls.models.tasks.base import THRESHOLDS
from eurosat_cls.models.tasks.class_weights import ClassWeights, class_weight_tensor
from eurosat_cls.models.tasks.independent import Decisions
from eurosat_cls.utils.errors import UserError

SEPARATOR = "|"  # between the labels of a patch in predictions


class Multilabel(Decisions):
    """Any set of classes: one sigmoid for each."""

    def default_metrics(self) -> MetricCollection:
        """Share of right decisions, macro F1, share of patches with all labels right, mean average precision."""
        count = len(self.class_names)
        return MetricCollection(
            {
                "accuracy": MultilabelAccuracy(count, average="micro", validate_args=False),
                "macro_f1": MultilabelF1Score(count, average="macro", validate_args=False),
                "exact_match": MultilabelExactMatch(count, validate_args=False),
                "mean_average_precision": MultilabelAveragePrecision(count, thresholds=THRESHOLDS, validate_args=False),
            },
            compute_groups=False,
        )

    def confusion(self) -> Metric:
        """``[K, 2, 2]``."""
        return MultilabelConfusionMatrix(len(self.class_names), validate_args=False)

    def curve(self) -> Metric:
        """Precision and recall of each label over its threshold."""
        return MultilabelPrecisionRecallCurve(len(self.class_names), thresholds=THRESHOLDS, validate_args=False)

    def loss_weights(
        self, weights: ClassWeights, counts: Sequence[int] | None, patches: int | None
    ) -> dict[str, Tensor]:
        """Return ``weight`` ``[K]``; for ``balanced`` negatives over positives of each label as ``pos_weight``."""
        if weights != "balanced":
            weight = class_weight_tensor(weights, self.class_names, counts)
            return {} if weight is None else {"weight": weight}
        if counts is None or patches is None or not all(0 < count < patches for count in counts):
            raise UserError("class_weights: 'balanced' needs training patches with and without every label.")
        return {"pos_weight": torch.tensor([(patches - count) / count for count in counts], dtype=torch.float32)}

    def for_loss(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return both as float ``[B, K]``."""
        return logits, target.to(logits.dtype)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Sigmoid of each label."""
        return logits.sigmoid()

    def names_of(self, target: Tensor) -> list[str]:
        """Labels ``[n, K]``, 0 or 1 -> those that are there, joined by ``|``."""
        return [
            SEPARATOR.join(name for name, there in zip(self.class_names, row, strict=True) if there)
            for row in target.tolist()
        ]

    def decide(self, probabilities: Tensor, threshold: Tensor) -> tuple[list[str], Tensor]:
        """Return the labels that are there, joined by ``|``, and the probability of the least certain decision."""
        present = probabilities > threshold
        return self.names_of(present), torch.where(present, probabilities, 1 - probabilities).amin(dim=1)
