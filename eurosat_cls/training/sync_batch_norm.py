"""Batch normalisation over the batches of all processes, on CPUs too."""

from typing import Any

import torch
from lightning.pytorch.plugins.layer_sync import TorchSyncBatchNorm
from torch import Tensor, nn
from torch.distributed import all_reduce, get_world_size, is_initialized
from torch.nn.modules.batchnorm import _BatchNorm


class CPUSyncBatchNorm(_BatchNorm):
    """What torch's ``SyncBatchNorm`` is to GPUs: in training, mean and variance are those of all processes' batches."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any shape that the layer in whose place it is took."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``[B, C, ...]``."""
        if not self.training or not is_initialized() or get_world_size() == 1:
            normalised: Tensor = super().forward(input)
            return normalised
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        axes = [axis for axis in range(values.ndim) if axis != 1]
        shape = [1, -1] + [1] * (values.ndim - 2)
        sums = _Sum.apply(torch.cat([values.sum(axes), values.new_tensor([values.numel() / values.shape[1]])]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = values - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(axes)) / count
        self._follow(mean.detach(), variance.detach() * count / (count - 1))
        scaled = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            scaled = scaled * self.weight.view(shape) + self.bias.view(shape)
        output: Tensor = scaled.to(input.dtype)
        return output

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics."""
        if not self.track_running_stats:
            return
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _Sum(torch.autograd.Function):
    """Sum over processes; each of them has its part in the gradients of all."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        total = part.clone()
        all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        all_reduce(total)
        return total


class SyncedBatchNorm(TorchSyncBatchNorm):
    """Lightning's plugin for synchronised batch normalisation, which torch has for GPUs only, for CPUs too."""

    def __init__(self) -> None:
        self._former: list[tuple[nn.Module, type[nn.Module]]] = []

    def apply(self, model: nn.Module) -> nn.Module:
        """Let every batch normalisation be a synchronised one."""
        if torch.device(getattr(model, "device", "cpu")).type != "cpu":
            return super().apply(model)
        self._former = [(part, type(part)) for part in model.modules() if isinstance(part, _BatchNorm)]
        for part, _ in self._former:
            part.__class__ = CPUSyncBatchNorm  # the same parameters and statistics, another way to use them
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Let them be what they were."""
        for part, kind in self._former:
            part.__class__ = kind
        self._former = []
        return super().revert(model)
