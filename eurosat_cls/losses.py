"""Losses that torch.nn lacks. Anything in torch.nn works beside them by class_path."""

import torch
from torch import Tensor, nn

from eurosat_cls.errors import UserError


class FocalLoss(nn.Module):
    r"""Weigh every sample down by how well it is already classified.

    .. math:: L = \frac{\sum_n \sum_c q_{nc}\, w_c\, (1 - p_{nc})^\gamma\, (-\log p_{nc})}{\sum_n w_{y_n}}

    where ``q`` is the smoothed one-hot target. With ``gamma=0`` this is :class:`torch.nn.CrossEntropyLoss`, with and
    without weights and smoothing.

    Args:
        weight: class weights ``[K]``, or None.
        gamma: focusing parameter, at least 0.
        label_smoothing: share of the target spread evenly over all classes, in [0, 1).

    Raises:
        UserError: for a negative ``gamma`` or a smoothing outside [0, 1).

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5; the weighting and the
    mean follow torch.nn.CrossEntropyLoss.

    Example:
        >>> logits, target = torch.tensor([[2.0, 0.5], [0.1, 0.3]]), torch.tensor([0, 1])
        >>> torch.allclose(FocalLoss(gamma=0.0)(logits, target), nn.CrossEntropyLoss()(logits, target))
        True
        >>> bool(FocalLoss(gamma=2.0)(logits, target) < FocalLoss(gamma=0.0)(logits, target))
        True
    """

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, gamma: float = 2.0, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not gamma >= 0:
            raise UserError(f"FocalLoss: gamma must be at least 0, got {gamma}.")
        if not 0 <= label_smoothing < 1:
            raise UserError(f"FocalLoss: label_smoothing must be in [0, 1), got {label_smoothing}.")
        self.register_buffer("weight", weight)
        self.gamma = gamma
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss as a float32 scalar (float64 for float64 logits).

        Args:
            logits: ``[B, K]`` in any float dtype; half precisions are raised to float32 first.
            target: ``[B]`` int64 class indices.
        """
        if logits.dtype != torch.float64:
            logits = logits.float()
        log_p = logits.log_softmax(dim=1)
        # (1 - p) from log p without cancellation; the floor keeps the gradient of x**gamma finite for gamma < 1.
        one_minus_p = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)
        per_class = -log_p if self.gamma == 0 else -log_p * one_minus_p.pow(self.gamma)
        if self.weight is not None:
            per_class = per_class * self.weight.to(per_class.dtype)
        hit = per_class.gather(1, target[:, None]).squeeze(1)
        smoothing = self.label_smoothing
        total = ((1 - smoothing) * hit).sum()
        if smoothing > 0:
            total = total + smoothing * per_class.mean(dim=1).sum()
        norm = log_p.shape[0] if self.weight is None else self.weight.to(total.dtype)[target].sum()
        return total / norm

    def extra_repr(self) -> str:
        """Show the parameters when the module is printed."""
        weighted = "none" if self.weight is None else [round(w, 4) for w in self.weight.tolist()]
        return f"gamma={self.gamma}, label_smoothing={self.label_smoothing}, weight={weighted}"
