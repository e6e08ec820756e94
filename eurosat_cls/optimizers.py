"""Optimizers that torch.optim lacks. Anything in torch.optim works beside them by class_path."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD

from eurosat_cls.utils.errors import UserError


class SAM(SGD):
    r"""SGD that looks, in every so many steps, for weights whose neighbours are good as well.

    In such a step the gradient is not taken at the weights :math:`w` but where the loss is highest nearby:

    .. math:: g = \nabla L\Big(w + \rho \frac{\nabla L(w)}{\lVert \nabla L(w) \rVert_2}\Big)

    so it costs two passes through the network instead of one. In all other steps it is
    :class:`torch.optim.SGD`. A model of this package keeps scores and running statistics of batch normalisation as
    the first pass leaves them.

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        momentum: as in SGD.
        dampening: as in SGD.
        weight_decay: as in SGD.
        nesterov: as in SGD.
        fused: as in SGD.
        rho: radius of the neighbourhood, at least 0; the norm is that over all parameters.
        every: steps from one look around to the next; 1 for every step.

    Attributes:
        perturbed: whether the closure is being called for the second time in a step, at other weights.

    Raises:
        UserError: for a negative ``rho`` or an ``every`` below 1; in a step without a closure.

    Source: Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR 2021, equation
    2; in some of the steps only: Liu et al., "Towards Efficient and Scalable Sharpness-Aware Minimization", CVPR 2022.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([2.0]))
        >>> optimizer = SAM([weight], lr=0.1, rho=0.5)
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = (weight**2).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure).item(), round(weight.item(), 3)  # 2 - 0.1 * 2 * (2 + 0.5)
        (4.0, 1.5)
    """

    perturbed = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        fused: bool | None = None,
        rho: float = 0.05,
        every: int = 1,
    ) -> None:
        if not rho >= 0 or every < 1:
            raise UserError(f"SAM: rho must be at least 0 and every at least 1, got {rho} and {every}.")
        super().__init__(params, lr, momentum, dampening, weight_decay, nesterov, fused=fused)
        self.rho, self.every = rho, every
        self.param_groups[0].setdefault("steps", 0)  # saved with the state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Take a step and return the loss at the weights before it.

        Args:
            closure: clears the gradients, computes the loss and its gradients, and returns it.
        """
        if closure is None:
            raise UserError(
                "optimizer: SAM needs the gradients of a step twice, which trainer.precision 16-mixed does not give: "
                "take bf16-mixed or 32-true."
            )
        first = self.param_groups[0]
        with torch.enable_grad():
            loss = closure()
        if first["steps"] % self.every == self.every - 1 and self.rho > 0:
            self._take_worst_gradient(closure)
        first["steps"] += 1
        with torch.no_grad():
            inspect.unwrap(SGD.step)(self)  # hooks of a step are called around this one
        return loss

    @torch.no_grad()
    def _take_worst_gradient(self, closure: Callable[[], Any]) -> None:
        weights = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        gradients: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]
        norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients]))
        before = [p.clone() for p in weights]
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.add_(gradient * (self.rho / (norm + 1e-12)))
        self.perturbed = True
        try:
            with torch.enable_grad():
                closure()
        finally:
            self.perturbed = False
            for weight, kept in zip(weights, before, strict=True):
                weight.copy_(kept)
