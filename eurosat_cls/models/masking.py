"""What an autoencoder hides from its encoder."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from eurosat_cls.utils.errors import UserError


class Masking(nn.Module, ABC):
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
        cell: pixels of a cell's side; it must divide the patch.
        share: of the cells that are hidden, in (0, 1); at least one is hidden and one is not.

    Raises:
        UserError: for a share outside (0, 1), or a cell that does not divide the patch or is all of it.

    Source: He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022.

    Example:
        >>> mask = CellMasking(cell=4, share=0.5)(torch.zeros(2, 3, 8, 8))
        >>> mask.shape, mask.float().mean().item()
        (torch.Size([2, 1, 8, 8]), 0.5)
    """

    def __init__(self, cell: int = 8, share: float = 0.6) -> None:
        super().__init__()
        if cell < 1:
            raise UserError(f"CellMasking: cell must be at least 1, got {cell}.")
        self.cell, self.share = cell, _checked_share("CellMasking", share)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return ``[B, 1, H, W]``."""
        count, _, height, width = x.shape
        if height % self.cell or width % self.cell:
            raise UserError(f"CellMasking: cells of {self.cell} pixels do not divide patches of {height}x{width}.")
        rows, columns = height // self.cell, width // self.cell
        if rows * columns < 2:
            raise UserError(f"CellMasking: patches of {height}x{width} have only one cell of {self.cell} pixels.")
        cells = _hidden(count, rows * columns, self.share, generator).view(count, 1, rows, columns)
        return cells.to(x.device).repeat_interleave(self.cell, 2).repeat_interleave(self.cell, 3)


class BandMasking(Masking):
    """Hide whole bands.

    Args:
        share: of the bands that are hidden, in (0, 1); at least one is hidden and one is not.

    Raises:
        UserError: for a share outside (0, 1), or patches of a single band.
    """

    def __init__(self, share: float = 0.3) -> None:
        super().__init__()
        self.share = _checked_share("BandMasking", share)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return ``[B, C, 1, 1]``."""
        if x.shape[1] < 2:
            raise UserError("BandMasking needs at least two bands, got one.")
        return _hidden(len(x), x.shape[1], self.share, generator).to(x.device)[:, :, None, None]


def _hidden(count: int, places: int, share: float, generator: torch.Generator | None) -> Tensor:
    """``[count, places]``, with the same number of places hidden in every row."""
    hidden = min(max(round(places * share), 1), places - 1)
    order = torch.rand(count, places, generator=generator).argsort(1)
    return order < hidden


def _checked_share(name: str, share: float) -> float:
    if not 0 < share < 1:
        raise UserError(f"{name}: share must be between 0 and 1, got {share}.")
    return share
