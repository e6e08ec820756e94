"""Augmentations that mix two patches and their targets."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from eurosat_cls.data.augment.base import Augmentation
from eurosat_cls.data.augment.pixels import as_bits, boxes, put, put_raw, take
from eurosat_cls.data.batch import Batch

M = TypeVar("M", bound="Mixing")


class Mixing(Augmentation):
    """Mix chosen patches with a partner from the batch, and their targets in the same proportion.

    Targets are shares of classes, so they must be floating: ``[B, K]`` one-hot or multilabel, ``[B]`` binary.
    Every patch draws a proportion of its own: a batch then holds the whole range of them instead of one, at no cost.

    Args:
        alpha: both parameters of the Beta distribution that proportions are drawn from: 1 is uniform, lower
            numbers leave most patches almost pure.
        probability: chance of each patch to be mixed.
        shared: see :class:`~eurosat_cls.data.augment.Augmentation`.
    """

    needs_shares = True

    def __init__(self, alpha: float = 1.0, probability: float = 0.5, **shared: Any) -> None:
        super().__init__(probability, **shared)
        self.require(alpha > 0, f"alpha must be above 0, got {alpha}")
        self.alpha = alpha

    @abstractmethod
    def blend(
        self, image: Tensor, indices: Tensor, partners: Tensor, share: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Overwrite some patches by their mixture with others.

        Args:
            image: ``[B, C, H, W]`` raw and contiguous.
            indices: ``[n]`` int64 positions of the patches to overwrite, on the device of the image.
            partners: ``[n]`` likewise of the patches to mix in, as they are before anything is overwritten.
            share: ``[n]`` float32 wanted share of the patch itself, on the CPU.
            generator: as in :func:`~eurosat_cls.data.augment.augment_batch`.

        Returns:
            ``[n]`` float32 share that the patch itself has got.
        """

    @classmethod
    def apply_all(cls: type[M], parts: Sequence[M], batch: Batch, epoch: int, generator: torch.Generator) -> Batch:
        """Return the batch mixed by one part after the other."""
        assert batch.target.is_floating_point(), f"mixing needs floating targets, got {batch.target.dtype}"
        for part in parts:
            batch = part._mix(batch, generator)
        return batch

    def _mix(self, batch: Batch, generator: torch.Generator) -> Batch:
        count, device = len(batch.image), batch.image.device
        indices = self.choose(count, generator).nonzero()[:, 0]
        partners = torch.randperm(count, generator=generator)[indices]
        seed = int(torch.randint(2**62, (), generator=generator))
        if not len(indices):
            return batch
        share = torch.from_numpy(np.random.default_rng(seed).beta(self.alpha, self.alpha, len(indices))).float()
        indices, partners = indices.to(device), partners.to(device)
        share = self.blend(batch.image, indices, partners, share, generator).to(batch.target)
        share = share.view(-1, *[1] * (batch.target.ndim - 1))
        mixed = torch.lerp(batch.target[partners], batch.target[indices], share)
        return batch._replace(target=batch.target.index_copy(0, indices, mixed))


class Mixup(Mixing):
    """Average two patches, pixel by pixel (Zhang et al. 2018).

    Args:
        alpha: parameter of the Beta distribution of the patch's own share, see :class:`Mixing`.
        probability: chance of each patch to be mixed.
        shared: see :class:`~eurosat_cls.data.augment.Augmentation`.
    """

    def __init__(self, alpha: float = 0.2, probability: float = 0.5, **shared: Any) -> None:
        super().__init__(alpha, probability, **shared)

    def blend(
        self, image: Tensor, indices: Tensor, partners: Tensor, share: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Average these patches with their partners."""
        own, other = take(image, indices), take(image, partners)
        put(image, indices, own.sub_(other).mul_(share.to(own)[:, None, None, None]).add_(other))
        return share


class CutMix(Mixing):
    """Paste a box of another patch, at the same place (Yun et al. 2019).

    The box has the shape of the patch and its centre anywhere, so it may be cut by the border; targets follow the area
    that was really pasted.
    """

    def blend(
        self, image: Tensor, indices: Tensor, partners: Tensor, share: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Paste a box of their partners into these patches."""
        size = image.shape[2:]
        limits = torch.tensor(size)[:, None]
        extent = ((1 - share).sqrt() * limits).round().long()
        first = (torch.rand(2, len(indices), generator=generator) * limits).long() - extent // 2
        after, first = torch.minimum(first + extent, limits), first.clamp(min=0)
        box = boxes(first[..., None].to(image.device), after[..., None].to(image.device), size)
        bits = as_bits(image)
        own, other = bits.index_select(0, indices), bits.index_select(0, partners)
        put_raw(image, indices, own.mul_(~box).add_(other.mul_(box)).view(image.dtype))
        pasted: Tensor = ((after - first) / limits).prod(0)
        return 1 - pasted
