"""One class of several."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassConfusionMatrix

from eurosat_cls.losses import SigmoidFocalLoss
from eurosat_cls.metrics import Accuracy, MacroF1
from eurosat_cls.models.tasks.base import OF_NUMBERS, Task
from eurosat_cls.models.tasks.class_weights import ClassWeights, class_weight_tensor


class Multiclass(Task):
    """One class of several: softmax."""

    default_loss = nn.CrossEntropyLoss
    wrong_losses = (nn.BCEWithLogitsLoss, nn.BCELoss, SigmoidFocalLoss, nn.NLLLoss, *OF_NUMBERS)

    def default_metrics(self) -> MetricCollection:
        """Accuracy and macro F1 from one set of counts."""
        count = len(self.class_names)
        return MetricCollection(
            {"accuracy": Accuracy(count), "macro_f1": MacroF1(count)}, compute_groups=[["accuracy", "macro_f1"]]
        )

    def confusion(self) -> Metric:
        """``[K, K]``."""
        return MulticlassConfusionMatrix(len(self.class_names), validate_args=False)

    def loss_weights(
        self, weights: ClassWeights, counts: Sequence[int] | None, patches: int | None
    ) -> dict[str, Tensor]:
        """Return ``weight`` ``[K]``."""
        weight = class_weight_tensor(weights, self.class_names, counts)
        return {} if weight is None else {"weight": weight}

    def scored(self, logits: Tensor, target: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits ``[B, K]`` and class indices ``[B]``."""
        return logits, target.argmax(1) if target.is_floating_point() else target

    def probabilities(self, logits: Tensor) -> Tensor:
        """Softmax."""
        return logits.softmax(dim=1)

    def merge(self, views: Sequence[Tensor]) -> Tensor:
        """Logarithm of the mean softmax."""
        mean = torch.stack([view.softmax(1) for view in views]).mean(0)
        return mean.clamp_min(torch.finfo(mean.dtype).tiny).log()

    def decide(self, probabilities: Tensor, threshold: Tensor) -> tuple[list[str], Tensor]:
        """Return the most probable class and its probability."""
        confidence, predicted = probabilities.max(dim=1)
        return [self.class_names[k] for k in predicted.tolist()], confidence
