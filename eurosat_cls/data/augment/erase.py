"""Augmentations that take something away."""

from typing import Any, Literal

import torch
from torch import Tensor

from eurosat_cls.data.augment.base import Patchwise
from eurosat_cls.data.augment.pixels import as_bits, boxes, put_raw, take, to_raw, working_dtype


class Cutout(Patchwise):
    """Cover square holes in patches (DeVries and Taylor 2017).

    The centre of a hole is any pixel, so a hole may be cut by the border.

    Args:
        size: side of a hole in pixels.
        holes: holes of a patch.
        fill: what covers them: each band's ``mean`` over the patch, or raw value ``zero``.
        probability: chance of each patch to be changed; the paper has 1.
        shared: see :class:`~eurosat_cls.data.augment.Augmentation`.
    """

    def __init__(
        self,
        size: int = 16,
        holes: int = 1,
        fill: Literal["mean", "zero"] = "mean",
        probability: float = 0.5,
        **shared: Any,
    ) -> None:
        super().__init__(probability, **shared)
        self.require(size >= 1, f"size must be at least 1, got {size}")
        self.require(holes >= 1, f"holes must be at least 1, got {holes}")
        self.require(fill in ("mean", "zero"), f"fill must be mean or zero, got {fill!r}")
        self.size, self.holes, self.fill = size, holes, fill

    def change(self, image: Tensor, rows: Tensor, generator: torch.Generator) -> None:
        """Cover the holes of these patches."""
        size = image.shape[2:]
        centre = torch.rand(2, len(rows), self.holes, generator=generator) * torch.tensor(size)[:, None, None]
        first = (centre.long() - self.size // 2).to(image.device)
        hole = boxes(first, first + self.size, size)
        patches = as_bits(image).index_select(0, rows)
        mean = patches.view(image.dtype).to(working_dtype(image.dtype)).mean((2, 3)) if self.fill == "mean" else None
        patches.mul_(~hole)
        if mean is not None:
            patches.add_(as_bits(to_raw(mean, image.dtype))[..., None, None] * hole)
        put_raw(image, rows, patches.view(image.dtype))


class BandDropout(Patchwise):
    """Replace whole bands of a patch by their mean, so that no band becomes indispensable.

    Args:
        bands: how many bands of a patch, drawn anew for each.
        probability: chance of each patch to be changed.
        shared: see :class:`~eurosat_cls.data.augment.Augmentation`.

    Raises:
        UserError: for a setting out of range; in training, when no band would be left.
    """

    def __init__(self, bands: int = 1, probability: float = 0.2, **shared: Any) -> None:
        super().__init__(probability, **shared)
        self.require(bands >= 1, f"bands must be at least 1, got {bands}")
        self.bands = bands

    def change(self, image: Tensor, rows: Tensor, generator: torch.Generator) -> None:
        """Flatten some bands of these patches."""
        count = image.shape[1]
        self.require(self.bands < count, f"cannot drop {self.bands} of {count} bands, one must be left")
        band = torch.rand(len(rows), count, generator=generator).argsort(1)[:, : self.bands].to(image.device)
        planes, dropped = image.flatten(0, 1), (rows[:, None] * count + band).flatten()
        mean = to_raw(take(planes, dropped).mean((1, 2)), image.dtype)
        put_raw(planes, dropped, mean[:, None, None].expand(-1, *planes.shape[1:]).contiguous())
