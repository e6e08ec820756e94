"""Augmentations of brightness: gain and offset of whole bands."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from eurosat_cls.data.augment.base import Augmentation
from eurosat_cls.data.augment.pixels import put, take
from eurosat_cls.data.batch import Batch

P = TypeVar("P", bound="Photometric")


class Photometric(Augmentation):
    """Change the mean of each band of a patch, and stretch what deviates from it.

    Such changes in a row are one such change, so any number of them costs one pass over the pixels.
    """

    @abstractmethod
    def adjust(self, mean: Tensor, std: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return a gain and the new band means of some patches.

        Args:
            mean: ``[n, C]`` mean of each band of each patch before this augmentation, in raw values.
            std: ``[n, C]`` likewise its standard deviation.
            generator: as in :func:`~eurosat_cls.data.augment.augment_batch`.

        Returns:
            ``[n, C]`` or ``[n, 1]`` factors of the deviations from the mean, and ``[n, C]`` new means.
        """

    @classmethod
    def apply_all(cls: type[P], parts: Sequence[P], batch: Batch, epoch: int, generator: torch.Generator) -> Batch:
        """Return the batch with the gains and means of all parts, rounded once."""
        image = batch.image
        chosen = torch.stack([part.choose(len(image), generator) for part in parts])
        rows = chosen.any(0).nonzero()[:, 0]
        if not len(rows):
            return batch
        masks, rows = chosen[:, rows, None].to(image.device), rows.to(image.device)
        patches = take(image, rows)
        mean = patches.mean((2, 3))
        patches -= mean[..., None, None]
        std = torch.linalg.vector_norm(patches, dim=(2, 3)) / (patches[0, 0].numel() ** 0.5)
        gain = torch.ones_like(mean)
        for part, mask in zip(parts, masks):
            factor, adjusted = part.adjust(mean, std * gain, generator)
            gain, mean = torch.where(mask, gain * factor, gain), torch.where(mask, adjusted, mean)
        put(image, rows, patches.mul_(gain[..., None, None]).add_(mean[..., None, None]))
        return batch


class BandJitter(Photometric):
    """Change the gain and the offset of every band independently, as another sensor or atmosphere would.

    Args:
        gain: a band is multiplied by a number between ``1 - gain`` and ``1 + gain``.
        offset: then moved by at most this share of its standard deviation in the patch, up or down.
        probability: chance of each patch to be changed.
        shared: see :class:`~eurosat_cls.data.augment.Augmentation`.
    """

    def __init__(self, gain: float = 0.1, offset: float = 0.1, probability: float = 0.5, **shared: Any) -> None:
        super().__init__(probability, **shared)
        self.require(0 <= gain < 1, f"gain must be at least 0 and below 1, got {gain}")
        self.require(offset >= 0, f"offset must be at least 0, got {offset}")
        self.gain, self.offset = gain, offset

    def adjust(self, mean: Tensor, std: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw a gain and an offset for every band of every patch."""
        gain, offset = _between(-1, 1, (2, *mean.shape), generator).to(mean)
        gain = 1 + self.gain * gain
        return gain, gain * mean + self.offset * offset * std


class BrightnessContrast(Photometric):
    """Change brightness and contrast of a patch, in all bands alike.

    Args:
        brightness: all values are multiplied by a number between ``1 - brightness`` and ``1 + brightness``.
        contrast: deviations from the band's mean are multiplied by a number between ``1 - contrast`` and
            ``1 + contrast``; the mean stays.
        probability: chance of each patch to be changed.
        shared: see :class:`~eurosat_cls.data.augment.Augmentation`.
    """

    def __init__(self, brightness: float = 0.1, contrast: float = 0.1, probability: float = 0.5, **shared: Any) -> None:
        super().__init__(probability, **shared)
        self.require(0 <= brightness < 1, f"brightness must be at least 0 and below 1, got {brightness}")
        self.require(0 <= contrast < 1, f"contrast must be at least 0 and below 1, got {contrast}")
        self.brightness, self.contrast = brightness, contrast

    def adjust(self, mean: Tensor, std: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw a brightness and a contrast for every patch."""
        brightness, contrast = _between(-1, 1, (2, len(mean), 1), generator).to(mean)
        brightness, contrast = 1 + self.brightness * brightness, 1 + self.contrast * contrast
        return brightness * contrast, brightness * mean


def _between(low: float, high: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)
