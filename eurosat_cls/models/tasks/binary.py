"""One class or its opposite."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import (
    BinaryAccuracy,
    BinaryAUROC,
    BinaryAveragePrecision,
    BinaryConfusionMatrix,
    BinaryF1Score,
    BinaryPrecisionRecallCurve,
)

from eurosat_cls.config.factories import build
from eurosat_cls.metrics import BinaryMacroF1
from eurosat_cls.models.tasks.base import THRESHOLDS, MetricFactory
from eurosat_cls.models.tasks.class_weights import ClassWeights, class_weight_tensor
from eurosat_cls.models.tasks.independent import Decisions
from eurosat_cls.utils.errors import UserError


class Binary(Decisions):
    """One class or its opposite, by one logit; the second class is the positive one."""

    @property
    def outputs(self) -> int:
        """One logit."""
        return 1

    def default_metrics(self) -> MetricCollection:
        """Accuracy, F1 of the positive class and of both, area under the ROC curve, average precision."""
        return MetricCollection(
            {
                "accuracy": BinaryAccuracy(validate_args=False),
                "f1": BinaryF1Score(validate_args=False),
                "macro_f1": BinaryMacroF1(),
                "auroc": BinaryAUROC(thresholds=THRESHOLDS, validate_args=False),
                "average_precision": BinaryAveragePrecision(thresholds=THRESHOLDS, validate_args=False),
            },
            compute_groups=False,
        )

    def metric(self, name: str, builder: MetricFactory) -> Metric:
        """Build one configured metric; those of a binary task take no number of classes."""
        metric: Metric = build(f"metrics.{name}", builder)
        return metric

    def confusion(self) -> Metric:
        """``[2, 2]``."""
        return BinaryConfusionMatrix(validate_args=False)

    def curve(self) -> Metric:
        """Precision and recall over the threshold."""
        return BinaryPrecisionRecallCurve(thresholds=THRESHOLDS, validate_args=False)

    def loss_weights(
        self, weights: ClassWeights, counts: Sequence[int] | None, patches: int | None
    ) -> dict[str, Tensor]:
        """Return ``weight``, that of the negative class, and ``pos_weight``, how much more the positive one weighs."""
        weight = class_weight_tensor(weights, self.class_names, counts)
        if weight is None:
            return {}
        if not weight[0] > 0:
            raise UserError(f"class_weights: {self.class_names[0]} must weigh more than 0 in a binary task.")
        return {"weight": weight[:1], "pos_weight": weight[1:] / weight[0]}

    def for_loss(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return both as float ``[B]``."""
        return logits.squeeze(1), target.to(logits.dtype)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Sigmoid, of both classes."""
        positive = logits.sigmoid()
        return torch.cat([1 - positive, positive], dim=1)

    def decide(self, probabilities: Tensor, threshold: Tensor) -> tuple[list[str], Tensor]:
        """Return the class on whose side of the threshold the patch is, and that class's probability."""
        predicted = (probabilities[:, 1] > threshold).long()
        confidence = probabilities.gather(1, predicted[:, None]).squeeze(1)
        return self.names_of(predicted), confidence
