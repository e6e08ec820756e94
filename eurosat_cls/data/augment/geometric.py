"""Augmentations that move pixels."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor

from eurosat_cls.data.augment.base import Augmentation
from eurosat_cls.data.augment.pixels import as_bits
from eurosat_cls.data.batch import Batch
from eurosat_cls.utils.errors import UserError

OUTSIDE = -(2**40)  # a position that stays negative whatever is added to it

G = TypeVar("G", bound="Geometric")


def dihedral_view(image: Tensor, view: int) -> Tensor:
    """Return one of the eight flips and rotations of ``[..., H, W]``; view 0 is the image itself.

    Views 0 to 3 are rotations by 0, 90, 180 and 270 degrees; 4 to 7 the same after a horizontal flip.
    """
    assert 0 <= view < 8
    flipped = image.flip(-1) if view >= 4 else image
    return torch.rot90(flipped, view % 4, (-2, -1))


class Geometric(Augmentation):
    """Move the pixels of each patch, in a way that keeps rows and columns apart.

    Pixel (i, j) of the outcome is the pixel at the flat position ``down[b, i] + across[b, j]`` of image ``b``. A flip,
    a shift or a rotation by 90 degrees changes these two short vectors alone, so any number of them in a row costs one
    gather.
    """

    in_place: ClassVar[bool] = False

    leaves_gaps = False  # whether ``move`` may return positions below 0, which become pixels of value 0

    @abstractmethod
    def move(
        self, down: Tensor, across: Tensor, batch: Batch, epoch: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the positions after this augmentation of every patch, from those before it.

        Args:
            down: ``[B, H]`` int64 part of the flat position that changes from row to row of the outcome.
            across: ``[B, W]`` likewise from column to column.
            batch: the raw patches that the positions point into.
            epoch: current epoch.
            generator: as in :func:`~eurosat_cls.data.augment.augment_batch`.
        """

    @classmethod
    def apply_all(cls: type[G], parts: Sequence[G], batch: Batch, epoch: int, generator: torch.Generator) -> Batch:
        """Return the batch with its pixels moved once."""
        count, _, height, width = batch.image.shape
        device = batch.image.device
        down = torch.arange(0, height * width, width, device=device).expand(count, -1)
        across = torch.arange(width, device=device).expand(count, -1)
        touched = False
        for part in parts:
            chosen = part.choose(count, generator)
            moved_down, moved_across = part.move(down, across, batch, epoch, generator)
            if chosen.all():
                down, across = moved_down, moved_across
            else:
                mask = chosen[:, None].to(device)
                down, across = torch.where(mask, moved_down, down), torch.where(mask, moved_across, across)
            touched |= bool(chosen.any())
        if not touched:
            return batch
        gaps = any(part.leaves_gaps for part in parts)
        return batch._replace(image=_take_pixels(batch.image, down, across, gaps))


class Dihedral(Geometric):
    """Flip and rotate square patches by multiples of 90 degrees.

    Args:
        cycle: give each patch the next of its eight views in every epoch, so that eight epochs show all of them
            exactly once; otherwise a random view every time.
        probability: chance of each patch to be turned.
        shared: see :class:`~eurosat_cls.data.augment.Augmentation`.

    Raises:
        UserError: for a setting out of range; in training, when patches are not square.
    """

    def __init__(self, cycle: bool = True, probability: float = 1.0, **shared: Any) -> None:
        super().__init__(probability, **shared)
        self.cycle = cycle

    def move(
        self, down: Tensor, across: Tensor, batch: Batch, epoch: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Put every patch into one of its views, those of :func:`dihedral_view`."""
        if down.shape != across.shape:
            raise UserError(f"Dihedral needs square patches, got {down.shape[1]}x{across.shape[1]}.")
        if self.cycle:
            # Knuth's multiplicative hash spreads neighbouring indices over all views.
            view = ((batch.indices * 2654435761 >> 13) + epoch) % 8
        else:
            view = torch.randint(8, (len(down),), generator=generator).to(down.device)
        up, back = down.flip(1), across.flip(1)
        # New down and across of each view: a quarter turn makes columns of rows.
        downs = torch.stack([down, back, up, across, down, across, up, back])
        acrosses = torch.stack([across, down, back, up, back, down, across, up])
        image = torch.arange(len(down), device=down.device)
        return downs[view, image], acrosses[view, image]


class Flip(Geometric):
    """Mirror patches, for scenes that have an up and a down or patches that are not square.

    Args:
        horizontal: swap left and right.
        vertical: swap top and bottom.
        probability: chance of each patch to be mirrored, in each of these ways independently.
        shared: see :class:`~eurosat_cls.data.augment.Augmentation`.

    Raises:
        UserError: for a setting out of range, or when neither way is on.
    """

    def __init__(
        self, horizontal: bool = True, vertical: bool = False, probability: float = 0.5, **shared: Any
    ) -> None:
        super().__init__(probability, **shared)
        self.require(horizontal or vertical, "horizontal or vertical must be true")
        self.horizontal, self.vertical = horizontal, vertical

    def choose(self, count: int, generator: torch.Generator) -> Tensor:
        """Return all patches: each way of mirroring chooses its own."""
        return torch.ones(count, dtype=torch.bool)

    def move(
        self, down: Tensor, across: Tensor, batch: Batch, epoch: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Turn the order of rows or columns round."""
        swapped, upturned = (torch.rand(2, len(down), 1, generator=generator) < self.probability).to(down.device)
        if self.horizontal:
            across = torch.where(swapped, across.flip(1), across)
        if self.vertical:
            down = torch.where(upturned, down.flip(1), down)
        return down, across


class Shift(Geometric):
    """Move patches by a random whole number of pixels.

    Args:
        pixels: largest move in each direction.
        fill: what enters: ``reflect`` the patch itself, mirrored without repeating its edge; ``zero`` raw value 0.
        probability: chance of each patch to be moved.
        shared: see :class:`~eurosat_cls.data.augment.Augmentation`.

    Raises:
        UserError: for a setting out of range; in training, when ``pixels`` is not smaller than the patch.
    """

    def __init__(
        self,
        pixels: int = 4,
        fill: Literal["reflect", "zero"] = "reflect",
        probability: float = 1.0,
        **shared: Any,
    ) -> None:
        super().__init__(probability, **shared)
        self.require(pixels >= 0, f"pixels must be at least 0, got {pixels}")
        self.require(fill in ("reflect", "zero"), f"fill must be reflect or zero, got {fill!r}")
        self.pixels, self.leaves_gaps = pixels, fill == "zero"

    def move(
        self, down: Tensor, across: Tensor, batch: Batch, epoch: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Look at each patch through a window that is moved over its continuation."""
        p = self.pixels
        (count, height), width = down.shape, across.shape[1]
        self.require(p < min(height, width), f"{p} pixels are too many for patches of {height}x{width}")
        first_row, first_column = torch.randint(2 * p + 1, (2, count, 1), generator=generator).to(down.device)
        return self._continue(down, first_row), self._continue(across, first_column)

    def _continue(self, positions: Tensor, first: Tensor) -> Tensor:
        """Return positions ``[B, N]`` read from ``first - pixels`` on."""
        size = positions.shape[1]
        wanted = first - self.pixels + torch.arange(size, device=positions.device)
        mirrored = (size - 1) - (wanted.abs() - (size - 1)).abs()
        taken = positions.gather(1, mirrored)
        return taken.masked_fill_(mirrored != wanted, OUTSIDE) if self.leaves_gaps else taken


class Crop(Shift):
    """Pad patches and cut a random window of the patch's own size: "40 -> 32" of the CIFAR recipe.

    This is :class:`Shift` by its usual name and with its usual black surroundings.

    Args:
        padding: pixels added on each side before the cut.
        fill: what they are: raw value ``zero``, or the ``reflect`` image of the patch.
        probability: chance of each patch to be cropped.
        shared: see :class:`~eurosat_cls.data.augment.Augmentation`.

    Raises:
        UserError: for a setting out of range; in training, when ``padding`` is not smaller than the patch.
    """

    def __init__(
        self,
        padding: int = 4,
        fill: Literal["reflect", "zero"] = "zero",
        probability: float = 1.0,
        **shared: Any,
    ) -> None:
        self.require(padding >= 0, f"padding must be at least 0, got {padding}")
        super().__init__(padding, fill, probability, **shared)


def _take_pixels(image: Tensor, down: Tensor, across: Tensor, gaps: bool) -> Tensor:
    """Return ``[B, C, H, W]`` whose pixels are those of ``image`` at the flat positions ``down + across``.

    One gather is as fast as rotating, padding and copying groups of images, and works for integer images, which
    torch's reflection padding does not take. With ``gaps``, positions below 0 become 0.
    """
    positions = (down[:, :, None] + across[:, None, :]).flatten(1)  # [B, H*W]
    flat = as_bits(image).flatten(2)  # [B, C, H*W]
    inside = positions >= 0 if gaps else None
    positions = positions.clamp_(min=0) if gaps else positions
    taken = flat.gather(2, positions[:, None].expand(-1, flat.shape[1], -1))
    if inside is not None:
        taken.mul_(inside[:, None])
    return taken.view(image.dtype).view(image.shape)
