"""Position embeddings: what tells tokens apart that hold the same values.

Positions count from 1; position 0 is padding and has the zero vector.
Shape legend: B batch, S tokens, D features, h w cells of a patch.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eurosat_cls.utils.configurable import Configurable
from eurosat_cls.utils.errors import UserError


class PositionEncoder(nn.Module, Configurable, ABC):
    """Turn positions into vectors that are added to tokens.

    Args:
        d_model: length ``D`` of the vectors.
        max_len: largest position, and most tokens at once.

    Raises:
        UserError: for sizes below 1.
    """

    def __init__(self, d_model: int, max_len: int) -> None:
        super().__init__()
        if min(d_model, max_len) < 1:
            name = type(self).__name__
            raise UserError(f"{name}: d_model and max_len must be at least 1, got {d_model} and {max_len}.")
        self.max_len = max_len

    @abstractmethod
    def look_up(self, positions: Tensor) -> Tensor:
        """``[...]`` int64 in 0 .. max_len -> ``[..., D]``."""

    def forward(self, positions: Tensor) -> Tensor:
        """``[..., S]`` integers, 0 for padding -> ``[..., S, D]``.

        Raises:
            UserError: for more than ``max_len`` tokens, and for positions that are no integers or, on a CPU, outside
                0 .. max_len. (On a GPU such a look would make every step wait; there the device's own check stops.)
        """
        self.check_length(positions.shape[-1])
        if positions.is_floating_point():
            raise UserError(f"{type(self).__name__}: positions must be integers, got {positions.dtype}.")
        if positions.device.type == "cpu" and not torch.compiler.is_compiling() and positions.numel():
            low, high = int(positions.min()), int(positions.max())
            if low < 0 or high > self.max_len:
                wrong = low if low < 0 else high
                raise UserError(f"{type(self).__name__}: position {wrong} is outside 0 .. max_len = {self.max_len}.")
        return self.look_up(positions.long())

    def grid(self, height: int, width: int) -> Tensor:
        """Return ``[h * w, D]``, the vectors of a patch's cells row by row.

        Raises:
            UserError: for more than ``max_len`` cells.
        """
        self.check_length(height * width)
        device = next(tensor.device for tensor in (*self.parameters(), *self.buffers()))
        return self.look_up(torch.arange(1, height * width + 1, device=device))

    def check_length(self, tokens: int) -> None:
        """Refuse more tokens than there are positions.

        Raises:
            UserError: naming both numbers.
        """
        if tokens > self.max_len:
            raise UserError(
                f"{type(self).__name__}: {tokens} tokens are more than max_len = {self.max_len}; "
                "give a larger max_len, or a larger patch_size."
            )


class PositionalEncoding(PositionEncoder):
    """Encode positions by fixed sines and cosines of wavelengths from 2 pi to ``2 pi tau``.

    Args:
        d_model: length ``D`` of the vectors, even.
        tau: base of the wavelengths: 10,000 in the source; 1,000 suits days of a year.
        max_len: largest position, and most tokens at once.

    Raises:
        UserError: for an odd ``d_model`` or a ``tau`` of 1 or less.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.5.

    Example:
        >>> encode = PositionalEncoding(16, tau=1000, max_len=366)
        >>> vectors = encode(torch.tensor([[15, 196, 0]]))
        >>> vectors.shape, bool(vectors[0, 2].any())
        (torch.Size([1, 3, 16]), False)
    """

    table: Tensor  # [max_len + 1, D]

    def __init__(self, d_model: int, tau: float = 10_000.0, max_len: int = 1024) -> None:
        super().__init__(d_model, max_len)
        if d_model % 2 or tau <= 1:
            name = type(self).__name__
            raise UserError(f"{name}: d_model must be even and tau above 1, got {d_model} and {tau}.")
        # Follows from the settings, so it is no part of a checkpoint.
        self.register_buffer("table", sine_table(max_len, d_model, tau), persistent=False)

    def look_up(self, positions: Tensor) -> Tensor:
        """``[...]`` int64 -> ``[..., D]``."""
        return F.embedding(positions, self.table)


class PositionalEncoding2d(PositionalEncoding):
    """Encode a patch's cells by row in the first half of the features and by column in the second.

    A sequence has one axis only: there it is :class:`PositionalEncoding`.

    Args:
        d_model: length ``D`` of the vectors, divisible by 4.
        tau: base of the wavelengths.
        max_len: most tokens at once.

    Raises:
        UserError: for a ``d_model`` that 4 does not divide.

    Source: the two-dimensional sine-cosine form of He et al., "Masked Autoencoders Are Scalable Vision Learners",
    CVPR 2022.

    Example:
        >>> PositionalEncoding2d(16).grid(8, 8).shape
        torch.Size([64, 16])
    """

    half_table: Tensor  # [max_len + 1, D / 2]

    def __init__(self, d_model: int, tau: float = 10_000.0, max_len: int = 1024) -> None:
        if d_model % 4:
            raise UserError(f"PositionalEncoding2d: d_model must be divisible by 4, got {d_model}.")
        super().__init__(d_model, tau, max_len)
        self.register_buffer("half_table", sine_table(max_len, d_model // 2, tau), persistent=False)

    def grid(self, height: int, width: int) -> Tensor:
        """Return ``[h * w, D]``, the vectors of a patch's cells row by row."""
        self.check_length(height * width)
        rows = self.half_table[1 : height + 1, None].expand(-1, width, -1)
        columns = self.half_table[None, 1 : width + 1].expand(height, -1, -1)
        return torch.cat([rows, columns], dim=-1).flatten(0, 1)


class LearnedPositions(PositionEncoder):
    """Learn a vector for every position.

    Args:
        d_model: length ``D`` of the vectors.
        max_len: largest position, and most tokens at once; 256 are the cells of 4x4 pixels in a 64x64 patch.

    Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, section 3.1.

    Example:
        >>> encode = LearnedPositions(16)
        >>> encode(torch.tensor([[1, 2, 0]])).shape, sum(p.numel() for p in encode.parameters())
        (torch.Size([1, 3, 16]), 4112)
    """

    def __init__(self, d_model: int, max_len: int = 256) -> None:
        super().__init__(d_model, max_len)
        self.embedding = nn.Embedding(max_len + 1, d_model, padding_idx=0)
        nn.init.trunc_normal_(self.embedding.weight[1:], std=0.02)

    def look_up(self, positions: Tensor) -> Tensor:
        """``[...]`` int64 -> ``[..., D]``."""
        vectors: Tensor = self.embedding(positions)
        return vectors


def sine_table(max_len: int, d_model: int, tau: float) -> Tensor:
    """Return ``[max_len + 1, D]`` float32: sines in even columns, cosines in odd ones, zeros in row 0."""
    position = torch.arange(max_len + 1, dtype=torch.float64)[:, None]
    angle = position / tau ** (torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
    table = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
    table[0] = 0
    return table.float()
