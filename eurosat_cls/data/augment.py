"""Augmentation of whole raw batches, on whatever device they are.

Every augmentation works for any number of bands and any sensor dtype, and draws only from the generator and the epoch
that it is given, so that a resumed run augments exactly as an uninterrupted one.
"""

from abc import ABC, abstractmethod
from functools import lru_cache

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


class Dihedral(Augmentation):
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

    def forward(self, batch: Batch, epoch: int, generator: torch.Generator) -> Batch:
        """Return the batch with every patch in one of its views."""
        image = batch.image
        if image.shape[-1] != image.shape[-2]:
            raise UserError(f"Dihedral needs square patches, got {image.shape[-2]}x{image.shape[-1]}.")
        if self.cycle:
            # Knuth's multiplicative hash spreads neighbouring indices over all views.
            view = ((batch.index * 2654435761 >> 13) + epoch) % 8
        else:
            view = torch.randint(8, (len(image),), generator=generator).to(image.device)
        return batch._replace(image=_take_pixels(image, _views(image.shape[-1], image.device)[view]))


class Shift(Augmentation):
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

    def forward(self, batch: Batch, epoch: int, generator: torch.Generator) -> Batch:
        """Return the batch with every patch moved."""
        image, p = batch.image, self.pixels
        height, width = image.shape[-2:]
        if p >= min(height, width):
            raise UserError(f"Shift: {p} pixels is too much for patches of {height}x{width}.")
        rows, columns = (_mirrored(size, p).to(image.device) for size in (height, width))
        dy, dx = torch.randint(2 * p + 1, (2, len(image), 1), generator=generator).to(image.device)
        row = rows[dy + torch.arange(height, device=image.device)]  # [B, H]
        column = columns[dx + torch.arange(width, device=image.device)]  # [B, W]
        pixels = row[:, :, None] * width + column[:, None, :]  # [B, H, W]
        return batch._replace(image=_take_pixels(image, pixels.flatten(1)))


@lru_cache(maxsize=4)
def _views(size: int, device: torch.device) -> Tensor:
    """Flat positions ``[8, size * size]`` of the pixels of each view of a square patch."""
    positions = torch.arange(size * size, device=device).view(size, size)
    return torch.stack([dihedral_view(positions, k).flatten() for k in range(8)])


def _take_pixels(image: Tensor, pixels: Tensor) -> Tensor:
    """Return ``[B, C, H, W]`` whose pixels are those of ``image`` at the flat positions ``[B, H*W]``.

    One gather is faster than rotating and padding groups of images, and works for integer images, which torch's
    reflection padding does not take.
    """
    flat = image.flatten(2)  # [B, C, H*W]
    flat = flat.view(torch.int16) if flat.dtype == torch.uint16 else flat  # gather has no uint16; bits are bits
    taken = flat.gather(2, pixels[:, None].expand(-1, flat.shape[1], -1))
    return taken.view(image.dtype).view(image.shape)


def _mirrored(size: int, pad: int) -> Tensor:
    """Positions ``[size + 2 * pad]`` of a row that is continued by mirroring without repeating its edge."""
    position = torch.arange(-pad, size + pad).abs()
    return torch.where(position >= size, 2 * (size - 1) - position, position)
