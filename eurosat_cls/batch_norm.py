"""Batch normalisation over the batches of all processes, on CPUs too."""

from typing import Any

import torch
from lightning.pytorch.plugins.layer_sync import TorchSyncBatchNorm
from torch import Tensor, nn
from torch.distributed import all_reduce, get_world_size, is_initialized


class SyncBatchNorm(nn.SyncBatchNorm):
    """torch's layer of that name, which refuses to train on CPUs, with a way for them.

    In training, mean and variance are those of the batches of all processes together.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``[B, C, ...]``."""
        if input.device.type != "cpu" or not self.training or not is_initialized() or get_world_size() == 1:
            normalised: Tensor = super().forward(input)
            return normalised
        values = input.float()
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
    """Lightning's plugin for synchronised batch normalisation, with :class:`SyncBatchNorm` as the layer."""

    def apply(self, model: nn.Module) -> nn.Module:
        """Put the layer into the place of every batch normalisation."""
        model = super().apply(model)
        for part in model.modules():
            if type(part) is nn.SyncBatchNorm:  # torch's conversion knows no other class
                part.__class__ = SyncBatchNorm
        return model
