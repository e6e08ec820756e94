"""Augmentation of whole raw batches, on whatever device they are.

Every augmentation works for any number of bands and any sensor dtype, and draws only from the generator and the epoch
that it is given, so that a resumed run augments exactly as an uninterrupted one.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from eurosat_cls.data.batch import Batch
from eurosat_cls.errors import UserError


def dihedral_view(image: Tensor, view: int) -> Tensor:
    """Return one of the eight flips and rotations of ``[..., H, W]``; view 0 is the image itself.

    Views 0 to 3 are rotations by 0, 90, 180 and 270 degrees; 4 to 7 the same after a horizontal flip.
    """
    assert 0 <= view < 8
    flipped = image.flip(-1) if view >= 4 else image
    return torch.rot90(flipped, view % 4, (-2, -1))


class Augmentation(nn.Module, ABC):
    """Change a batch of raw patches."""

    @abstractmethod
    def forward(self, batch: Batch, epoch: int, generator: torch.Generator) -> Batch:
        """Return the changed batch.

        Args:
            batch: raw patches.
            epoch: current epoch, from 0.
            generator: a CPU generator, seeded for this very batch.
        """


class Geometric(Augmentation):
    """Move the pixels of each patch, in a way that keeps rows and columns apart.

    Pixel (i, j) of the outcome is the pixel at the flat position ``down[b, i] + across[b, j]`` of image ``b``. A flip,
    a shift or a rotation by 90 degrees changes these two short vectors alone, so any number of them in a row costs one
    gather (see :func:`augment_batch`).
    """

    @abstractmethod
    def move(
        self, down: Tensor, across: Tensor, batch: Batch, epoch: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the positions after this augmentation, from those before it.

        Args:
            down: ``[B, H]`` int64 part of the flat position that changes from row to row of the outcome.
            across: ``[B, W]`` likewise from column to column.
            batch: the raw patches that the positions point into.
            epoch: current epoch.
            generator: as in :meth:`Augmentation.forward`.
        """

    def forward(self, batch: Batch, epoch: int, generator: torch.Generator) -> Batch:
        """Return the batch with its pixels moved."""
        return augment_batch([self], batch, epoch, generator)


def augment_batch(augmentations: Sequence[Augmentation], batch: Batch, epoch: int, generator: torch.Generator) -> Batch:
    """Apply augmentations in order, geometric ones that follow each other in one go."""
    for geometric, group in groupby(augmentations, lambda augmentation: isinstance(augmentation, Geometric)):
        if not geometric:
            for augmentation in group:
                batch = augmentation(batch, epoch, generator)
            continue
        count, _, height, width = batch.image.shape
        device = batch.image.device
        down = torch.arange(0, height * width, width, device=device).expand(count, -1)
        across = torch.arange(width, device=device).expand(count, -1)
        for augmentation in group:
            assert isinstance(augmentation, Geometric)
            down, across = augmentation.move(down, across, batch, epoch, generator)
        batch = batch._replace(image=_take_pixels(batch.image, down, across))
    return batch


class Dihedral(Geometric):
    """Flip and rotate square patches by multiples of 90 degrees.

    Args:
        cycle: give each patch the next of its eight views in every epoch, so that eight epochs show all of them
            exactly once; otherwise a random view every time.

    Raises:
        UserError: when patches are not square.
    """

    def __init__(self, cycle: bool = True) -> None:
        super().__init__()
        self.cycle = cycle

    def move(
        self, down: Tensor, across: Tensor, batch: Batch, epoch: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Put every patch into one of its views, those of :func:`dihedral_view`."""
        if down.shape != across.shape:
            raise UserError(f"Dihedral needs square patches, got {down.shape[1]}x{across.shape[1]}.")
        if self.cycle:
            # Knuth's multiplicative hash spreads neighbouring indices over all views.
            view = ((batch.index * 2654435761 >> 13) + epoch) % 8
        else:
            view = torch.randint(8, (len(down),), generator=generator).to(down.device)
        up, back = down.flip(1), across.flip(1)
        # New down and across of each view: a quarter turn makes columns of rows.
        downs = torch.stack([down, back, up, across, down, across, up, back])
        acrosses = torch.stack([across, down, back, up, back, down, across, up])
        image = torch.arange(len(down), device=down.device)
        return downs[view, image], acrosses[view, image]


class Shift(Geometric):
    """Move every patch by a random whole number of pixels; what enters is mirrored from the patch itself.

    Args:
        pixels: largest move in each direction.

    Raises:
        UserError: when ``pixels`` is negative or not smaller than the patch.
    """

    def __init__(self, pixels: int = 4) -> None:
        super().__init__()
        if pixels < 0:
            raise UserError(f"Shift: pixels must be at least 0, got {pixels}.")
        self.pixels = pixels

    def move(
        self, down: Tensor, across: Tensor, batch: Batch, epoch: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Look at each patch through a window that is moved over its mirrored continuation."""
        p = self.pixels
        (count, height), width = down.shape, across.shape[1]
        if p >= min(height, width):
            raise UserError(f"Shift: {p} pixels is too much for patches of {height}x{width}.")
        dy, dx = torch.randint(2 * p + 1, (2, count, 1), generator=generator).to(down.device)
        rows, columns = (_mirrored(size, p).to(down.device) for size in (height, width))
        row = rows[dy + torch.arange(height, device=down.device)]  # [B, H]
        column = columns[dx + torch.arange(width, device=down.device)]  # [B, W]
        return down.gather(1, row), across.gather(1, column)


def _take_pixels(image: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Return ``[B, C, H, W]`` whose pixels are those of ``image`` at the flat positions ``down + across``.

    One gather is faster than rotating and padding groups of images, and works for integer images, which torch's
    reflection padding does not take.
    """
    pixels = (down[:, :, None] + across[:, None, :]).flatten(1)  # [B, H*W]
    flat = image.flatten(2)  # [B, C, H*W]
    flat = flat.view(torch.int16) if flat.dtype == torch.uint16 else flat  # gather has no uint16; bits are bits
    taken = flat.gather(2, pixels[:, None].expand(-1, flat.shape[1], -1))
    return taken.view(image.dtype).view(image.shape)


def _mirrored(size: int, pad: int) -> Tensor:
    """Positions ``[size + 2 * pad]`` of a row that is continued by mirroring without repeating its edge."""
    position = torch.arange(-pad, size + pad).abs()
    return torch.where(position >= size, 2 * (size - 1) - position, position)
