"""What an autoencoder hides from its encoder."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from eurosat_cls.utils.configurable import Configurable
from eurosat_cls.utils.errors import UserError


class Masking(nn.Module, Configurable, ABC):
    """Choose the values of a batch that are hidden."""

    @abstractmethod
    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the mask, True where hidden, of a shape that fits ``[B, C, H, W]`` by broadcasting.

        Args:
            x: ``[B, C, H, W]`` normalised patches; only the shape and device are used.
            generator: a CPU generator; None means torch's own.
        """


class CellMasking(Masking):
    """Hide square cells, in all bands.

    Args:
        cell_size: pixels of a cell's side; it must divide the patch.
        mask_ratio: of the cells that are hidden, in (0, 1); at least one is hidden and one is not.

    Raises:
        UserError: for a ratio outside (0, 1), or a cell_size that does not divide the patch or is all of it.

    Source: He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022.

    Example:
        >>> mask = CellMasking(cell_size=4, mask_ratio=0.5)(torch.zeros(2, 3, 8, 8))
        >>> mask.shape, mask.float().mean().item()
        (torch.Size([2, 1, 8, 8]), 0.5)
    """

    def __init__(self, cell_size: int = 8, mask_ratio: float = 0.6) -> None:
        super().__init__()
        if cell_size < 1:
            raise UserError(f"CellMasking: cell_size must be at least 1, got {cell_size}.")
        self.cell_size, self.mask_ratio = cell_size, _checked_ratio("CellMasking", mask_ratio)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return ``[B, 1, H, W]``."""
        count, _, height, width = x.shape
        if height % self.cell_size or width % self.cell_size:
            raise UserError(f"CellMasking: cells of {self.cell_size} pixels do not divide patches of {height}x{width}.")
        rows, columns = height // self.cell_size, width // self.cell_size
        if rows * columns < 2:
            raise UserError(f"CellMasking: patches of {height}x{width} have only one cell of {self.cell_size} pixels.")
        cells = _hidden(count, rows * columns, self.mask_ratio, generator).view(count, 1, rows, columns)
        return cells.to(x.device).repeat_interleave(self.cell_size, 2).repeat_interleave(self.cell_size, 3)


class BandMasking(Masking):
    """Hide whole bands.

    Args:
        mask_ratio: of the bands that are hidden, in (0, 1); at least one is hidden and one is not.

    Raises:
        UserError: for a ratio outside (0, 1), or patches of a single band.
    """

    def __init__(self, mask_ratio: float = 0.3) -> None:
        super().__init__()
        self.mask_ratio = _checked_ratio("BandMasking", mask_ratio)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return ``[B, C, 1, 1]``."""
        if x.shape[1] < 2:
            raise UserError("BandMasking needs at least two bands, got one.")
        return _hidden(len(x), x.shape[1], self.mask_ratio, generator).to(x.device)[:, :, None, None]


def _hidden(count: int, places: int, mask_ratio: float, generator: torch.Generator | None) -> Tensor:
    """``[count, places]``, with the same number of places hidden in every row."""
    hidden = min(max(round(places * mask_ratio), 1), places - 1)
    order = torch.rand(count, places, generator=generator).argsort(1)
    return order < hidden


def _checked_ratio(name: str, mask_ratio: float) -> float:
    if not 0 < mask_ratio < 1:
        raise UserError(f"{name}: mask_ratio must be between 0 and 1, got {mask_ratio}.")
    return mask_ratio
