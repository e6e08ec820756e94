"""Decisions that are independent of each other: what binary and multilabel tasks share."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from eurosat_cls.losses import FocalLoss
from eurosat_cls.models.tasks.base import OF_NUMBERS, Task

_FARTHEST = 10.0  # a logit whose probability float32 still tells from 1, to three digits


class Decisions(Task):
    """Independent decisions, each with a threshold."""

    default_loss = nn.BCEWithLogitsLoss
    wrong_losses = (nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss, FocalLoss, nn.BCELoss, *OF_NUMBERS)

    @property
    def thresholds(self) -> int:
        """One for each logit."""
        return self.outputs

    def scored(self, logits: Tensor, target: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities moved so that 0.5 is where the decision changes, and targets of 0 and 1."""
        logits, target = self.for_loss(logits, target)
        return (logits - threshold.logit()).sigmoid(), (target > 0.5).long()

    def merge(self, views: Sequence[Tensor]) -> Tensor:
        """Logit of the mean sigmoid."""
        return torch.stack([view.sigmoid() for view in views]).mean(0).logit(eps=1e-7)

    def tempered(self, logits: Tensor, threshold: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        """Divide the logits, and move the thresholds along."""
        limit = threshold.logit()
        scaled, moved = logits / temperature, limit / temperature
        # A threshold beyond what float32 tells from 0 and 1 is kept short of it, and every logit on its side of it.
        reached = moved.clamp(-_FARTHEST, _FARTHEST)
        gap = 0.25 * (reached != moved)
        return torch.where(logits > limit, scaled.max(reached + gap), scaled.min(reached - gap)), reached.sigmoid()

    @abstractmethod
    def curve(self) -> Metric:
        """Build precision and recall over the threshold."""

    def best_thresholds(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return those of the highest F1, the middle one where several are.

        They are within [0.005, 0.995], and 0.5 for a decision that no positive was seen of.
        """
        curve = self.curve().to(logits.device)
        curve.update(*self.scored(logits, target, logits.new_full((self.thresholds,), 0.5)))
        precision, recall, thresholds = curve.compute()  # [decisions, T + 1] or [T + 1], and [T]
        f1 = 2 * precision * recall / (precision + recall).clamp_min(1e-12)
        chosen = []
        for row in f1[..., :-1].nan_to_num().reshape(-1, len(thresholds)):
            best = (row >= row.max() - 1e-9).nonzero().squeeze(1)
            chosen.append(thresholds[best[len(best) // 2]] if row.max() > 0 else thresholds.new_tensor(0.5))
        return torch.stack(chosen).clamp(0.005, 0.995).float()
