"""What encoders of tokens share: from a patch or a time series to tokens, and from tokens to features.

Shape legend: B batch, C bands, H W patch size, p patch_size, S tokens, D features.
"""

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from eurosat_cls.embeddings.bands import BandsEncoder, PixelEncoding
from eurosat_cls.embeddings.position import PositionalEncoding2d, PositionEncoder
from eurosat_cls.encoders.attention import check_heads
from eurosat_cls.encoders.base import Encoder, Tokens
from eurosat_cls.utils.errors import UserError

PositionFactory = Callable[[int], PositionEncoder]
BandsFactory = Callable[[int, int], BandsEncoder]


class TokenEncoder(Encoder):
    """Embed cells or dates, hand them through blocks, and normalise them.

    ``forward`` gives the mean of the tokens, ``forward_map`` the tokens in their places, ``forward_tokens`` them all.
    A series goes best with ``patch_size=1``; otherwise each of its values stands for a cell of equal pixels.

    Args:
        in_channels: bands ``C``.
        position_encoder: builds the position embedding from ``d_model``; see :mod:`eurosat_cls.embeddings.position`.
        bands_encoder: builds the band embedding from ``in_channels`` and ``patch_size``; see
            :mod:`eurosat_cls.embeddings.bands`.
        d_model: length ``D`` of the tokens, and ``out_features``.
        num_heads: attention heads; must divide ``d_model``.
        num_layers: blocks.
        mlp_ratio: hidden features of the tokens' feed-forward networks over ``d_model``.
        dropout: share of features dropped while training, of embeddings and of what each sub-layer adds.
        patch_size: side of a cell in pixels; must divide the patch.

    Raises:
        UserError: for settings that do not fit each other, and in forward for a patch that ``patch_size`` does not
            divide or that has more cells than the position embedding's ``max_len``.
    """

    def __init__(
        self,
        in_channels: int,
        position_encoder: PositionFactory = PositionalEncoding2d,
        bands_encoder: BandsFactory = PixelEncoding,
        d_model: int = 128,
        num_heads: int = 4,
        num_layers: int = 4,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        patch_size: int = 8,
    ) -> None:
        super().__init__()
        check_heads(self._name, d_model, num_heads, num_layers, mlp_ratio, dropout)
        if min(in_channels, patch_size) < 1:
            raise UserError(f"{self._name}: in_channels and patch_size must be at least 1.")
        blocks = [self.block(d_model, num_heads, mlp_ratio, dropout) for _ in range(num_layers)]
        self.in_channels, self.patch_size, self.out_features = in_channels, patch_size, d_model
        self.bands_encoder = bands_encoder(in_channels, patch_size)
        self.position_encoder = position_encoder(d_model)
        self.project = nn.Linear(self.bands_encoder.out_features, d_model)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(d_model)

    @abstractmethod
    def block(self, d_model: int, num_heads: int, mlp_ratio: float, dropout: float) -> nn.Module:
        """Build what maps tokens ``[B, S, D]`` and the keys to keep ``[B, 1, 1, S]`` or None to ``[B, S, D]``."""

    @property
    def _name(self) -> str:
        return type(self).__name__

    # --- from pixels to tokens ---------------------------------------------------------------------------------

    def embed(self, x: Tensor, positions: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Patch ``[B, C, H, W]`` or series ``[B, S, C]`` -> tokens ``[B, S, D]`` before the first block."""
        if x.ndim == 4:
            if positions is not None or mask is not None:
                raise UserError(f"{self._name}: positions and mask are for series [B, S, C], not for patches.")
            cells, places = self._cells(x), self.position_encoder.grid(*self._map_size(x))
        else:
            cells, positions = self._series(x, positions, mask)
            places = self.position_encoder(positions)
        tokens: Tensor = self.dropout(self.project(self.bands_encoder(cells, mask)) + places)
        return tokens

    def _cells(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` -> ``[B, S, p * p, C]``."""
        self._check_channels(x.shape[1])
        (h, w), p = self._map_size(x), self.patch_size
        blocks = x.reshape(x.shape[0], self.in_channels, h, p, w, p).permute(0, 2, 4, 3, 5, 1)
        return blocks.reshape(x.shape[0], h * w, p * p, self.in_channels)

    def _map_size(self, x: Tensor) -> tuple[int, int]:
        height, width = x.shape[2:]
        p = self.patch_size
        if height % p or width % p:
            raise UserError(
                f"{self._name}: patch_size = {p} does not divide patches of {height} x {width} pixels; "
                f"{', '.join(str(n) for n in range(1, height + 1) if height % n == 0 and width % n == 0)} do."
            )
        return height // p, width // p

    def _series(self, x: Tensor, positions: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """``[B, S, C]`` -> cells of equal pixels ``[B, S, p * p, C]`` and positions ``[B, S]``, 0 where padding is."""
        if x.ndim != 3:
            raise UserError(f"{self._name}: takes patches [B, C, H, W] or series [B, S, C], got {list(x.shape)}.")
        self._check_channels(x.shape[2])
        for name, given in (("positions", positions), ("mask", mask)):
            if given is not None and given.shape != x.shape[:2]:
                raise UserError(f"{self._name}: {name} must be [B, S] = {list(x.shape[:2])}, got {list(given.shape)}.")
        if positions is None:
            positions = torch.arange(1, x.shape[1] + 1, device=x.device).expand(x.shape[:2])
        if mask is not None:
            if mask.dtype != torch.bool:
                raise UserError(f"{self._name}: mask must be bool, True for padding; got {mask.dtype}.")
            # Padding may hold anything, NaN too, which no weight of 0 would take away.
            x, positions = x.masked_fill(mask[..., None], 0.0), positions.masked_fill(mask, 0)
        return x[:, :, None].expand(-1, -1, self.patch_size**2, -1), positions

    def _check_channels(self, channels: int) -> None:
        if channels != self.in_channels:
            raise UserError(f"{self._name}: was built for {self.in_channels} bands, got {channels}.")

    # --- from tokens to features -------------------------------------------------------------------------------

    def forward_tokens(self, x: Tensor, positions: Tensor | None = None, mask: Tensor | None = None) -> Tokens:
        """Patch ``[B, C, H, W]`` or series ``[B, S, C]`` -> tokens ``[B, S, D]``, zeros for padding.

        Args:
            x: normalised values.
            positions: ``[B, S]`` integers of a series, from 1, such as days of a year; 1 to S when None.
            mask: ``[B, S]`` bool, True for padding of a series.

        Raises:
            UserError: for sizes that do not fit.
        """
        tokens, keep = self.embed(x, positions, mask), self._keep(mask)
        for block in self.blocks:
            tokens = block(tokens, keep)
        tokens = self.norm(tokens)
        return Tokens(tokens if mask is None else tokens.masked_fill(mask[..., None], 0.0), mask)

    @staticmethod
    def _keep(mask: Tensor | None) -> Tensor | None:
        """Padding ``[B, S]`` -> the keys to attend to ``[B, 1, 1, S]``.

        A series of nothing but padding attends to all of it, as attention to nothing has no value.
        """
        return None if mask is None else (~mask | mask.all(dim=1, keepdim=True))[:, None, None]

    def forward(self, x: Tensor, positions: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Patch ``[B, C, H, W]`` or series ``[B, S, C]`` -> ``[B, D]``, the mean of the tokens that are no padding."""
        tokens = self.forward_tokens(x, positions, mask).features
        if mask is None:
            return tokens.mean(dim=1)
        return tokens.sum(dim=1) / (~mask).sum(dim=1, keepdim=True).clamp(min=1)

    def forward_map(self, x: Tensor) -> Tensor:
        """Patch ``[B, C, H, W]`` -> map ``[B, D, H / p, W / p]``."""
        if x.ndim != 4:
            raise UserError(f"{self._name}: only patches [B, C, H, W] have a map, got {list(x.shape)}.")
        tokens = self.forward_tokens(x).features
        return tokens.transpose(1, 2).reshape(x.shape[0], self.out_features, *self._map_size(x))
