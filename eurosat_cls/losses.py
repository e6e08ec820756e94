"""Losses that torch.nn lacks. Anything in torch.nn works beside them by class_path."""

from typing import Literal

import torch
from torch import Tensor, nn

from eurosat_cls.utils.errors import UserError


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
        _check_focal("FocalLoss", gamma, label_smoothing)
        self.register_buffer("weight", weight)
        self.gamma = gamma
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss as a float32 scalar (float64 for float64 logits).

        Args:
            logits: ``[B, K]`` in any float dtype; half precisions are raised to float32 first.
            target: ``[B]`` int64 class indices, or ``[B, K]`` shares of the classes, as mixed patches have them. With
                shares the mean is over patches, not over weights, as in torch.nn.CrossEntropyLoss.
        """
        if logits.dtype != torch.float64:
            logits = logits.float()
        log_p = logits.log_softmax(dim=1)
        # (1 - p) from log p without cancellation; the floor keeps the gradient of x**gamma finite for gamma < 1.
        one_minus_p = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)
        per_class = -log_p if self.gamma == 0 else -log_p * one_minus_p.pow(self.gamma)
        if self.weight is not None:
            per_class = per_class * self.weight.to(per_class.dtype)
        smoothing = self.label_smoothing
        if target.is_floating_point():
            hit = (per_class * target).sum(dim=1)
        else:
            hit = per_class.gather(1, target[:, None]).squeeze(1)
        total = ((1 - smoothing) * hit).sum()
        if smoothing > 0:
            total = total + smoothing * per_class.mean(dim=1).sum()
        whole = self.weight is None or target.is_floating_point()
        norm = log_p.shape[0] if whole else self.weight.to(total.dtype)[target].sum()  # type: ignore[union-attr]
        return total / norm

    def extra_repr(self) -> str:
        """Show the parameters when the module is printed."""
        weighted = "none" if self.weight is None else [round(w, 4) for w in self.weight.tolist()]
        return f"gamma={self.gamma}, label_smoothing={self.label_smoothing}, weight={weighted}"


class SigmoidFocalLoss(nn.Module):
    r"""Focal loss of independent decisions, for binary and multilabel tasks.

    .. math:: L = \operatorname{mean}\; w\,[\, w^+ q\, (1 - p)^\gamma\, (-\log p)
              + (1 - q)\, p^\gamma\, (-\log (1 - p)) ]

    where ``q`` is the smoothed target. With ``gamma=0`` this is :class:`torch.nn.BCEWithLogitsLoss`.

    Args:
        weight: weight of each decision, of a shape that fits ``[B, K]``, or None.
        pos_weight: how much more a positive weighs, likewise.
        gamma: focusing parameter, at least 0.
        label_smoothing: targets are moved towards 0.5 by this share, in [0, 1).

    Raises:
        UserError: for a negative ``gamma`` or a smoothing outside [0, 1).

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equations 4 and 5; weights as in
    torch.nn.BCEWithLogitsLoss.

    Example:
        >>> logits, target = torch.tensor([[2.0, -0.5]]), torch.tensor([[1.0, 0.0]])
        >>> torch.allclose(SigmoidFocalLoss(gamma=0.0)(logits, target), nn.BCEWithLogitsLoss()(logits, target))
        True
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        pos_weight: Tensor | None = None,
        gamma: float = 2.0,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        _check_focal("SigmoidFocalLoss", gamma, label_smoothing)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.gamma = gamma
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss as a float32 scalar (float64 for float64 logits).

        Args:
            logits: ``[B]`` or ``[B, K]`` in any float dtype; half precisions are raised to float32 first.
            target: float of the same shape, 0 and 1 or shares between them.
        """
        if logits.dtype != torch.float64:
            logits = logits.float()
        q = target.to(logits.dtype) * (1 - self.label_smoothing) + self.label_smoothing / 2
        log_p, log_not_p = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
        positive = -q * log_p * (self.gamma * log_not_p).exp()
        if self.pos_weight is not None:
            positive = positive * self.pos_weight.to(positive.dtype)
        loss = positive - (1 - q) * log_not_p * (self.gamma * log_p).exp()
        if self.weight is not None:
            loss = loss * self.weight.to(loss.dtype)
        return loss.mean()

    def extra_repr(self) -> str:
        """Show the parameters when the module is printed."""
        return f"gamma={self.gamma}, label_smoothing={self.label_smoothing}"


def _check_focal(name: str, gamma: float, label_smoothing: float) -> None:
    if not gamma >= 0:
        raise UserError(f"{name}: gamma must be at least 0, got {gamma}.")
    if not 0 <= label_smoothing < 1:
        raise UserError(f"{name}: label_smoothing must be in [0, 1), got {label_smoothing}.")


class GaussianReconstruction(nn.Module):
    """Negative log-likelihood of values whose mean and variance are both predicted, for an autoencoder.

    What cannot be foreseen pixel by pixel, such as the texture of a forest, is told by its variance, so that features
    have to describe it; and dark, smooth patches count as much as bright, rough ones.

    Args:
        reduction: ``mean``, or ``none`` for the loss of every value.

    Raises:
        UserError: for another reduction.

    Source: Nix and Weigend, "Estimating the mean and variance of the target probability distribution", ICNN 1994.

    Example:
        >>> prediction = torch.zeros(1, 2, 4, 4)  # mean 0 and log-variance 0
        >>> GaussianReconstruction()(prediction, torch.full((1, 1, 4, 4), 2.0))
        tensor(2.)
    """

    outputs_per_band = 2

    def __init__(self, reduction: Literal["mean", "none"] = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "none"):
            raise UserError(f"GaussianReconstruction: reduction must be mean or none, got {reduction}.")
        self.reduction = reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Means, then log-variances ``[B, 2 C, H, W]``, and values ``[B, C, H, W]`` -> their losses, or the mean."""
        mean, log_variance = prediction.float().chunk(2, dim=1)
        log_variance = log_variance.clamp(-9, 6)  # values that never vary would drive it to minus infinity
        losses = 0.5 * ((target - mean).square() * (-log_variance).exp() + log_variance)
        return losses if self.reduction == "none" else losses.mean()
