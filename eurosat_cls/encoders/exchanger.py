"""The exchanger encoder: tokens talk through a few group tokens.

Shape legend: B batch, C bands, S tokens, G group tokens, D features, h heads.
"""

from typing import Any

import torch
from torch import Tensor, nn

from eurosat_cls.encoders.attention import attend, feed_forward, split_heads
from eurosat_cls.encoders.tokens import TokenEncoder
from eurosat_cls.utils.errors import UserError


class Mixer(nn.Module):
    """Mix over tokens, then over features, each behind a layer normalisation and beside a shortcut.

    Source: Tolstikhin et al., "MLP-Mixer: An all-MLP Architecture for Vision", NeurIPS 2021.
    """

    def __init__(self, tokens: int, d_model: int, ratio: int = 2) -> None:
        super().__init__()
        self.token_norm, self.feature_norm = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.over_tokens = feed_forward(tokens, ratio * tokens)
        self.over_features = feed_forward(d_model, ratio * d_model)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, G, D]`` -> ``[B, G, D]``."""
        x = x + self.over_tokens(self.token_norm(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.over_features(self.feature_norm(x))
        return x


class ExchangerBlock(nn.Module):
    """Collect, update, distribute, then a feed-forward network on every token."""

    def __init__(self, d_model: int, num_heads: int, num_groups: int, mlp_ratio: float, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.groups = nn.Parameter(nn.init.trunc_normal_(torch.empty(num_groups, d_model), std=0.02))
        self.token_norm, self.group_norm = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.key_and_query = nn.Linear(d_model, 2 * d_model)
        self.mixer = Mixer(num_groups, d_model)
        self.mixed_norm = nn.LayerNorm(d_model)
        self.key_and_value = nn.Linear(d_model, 2 * d_model)
        self.exchange_out = nn.Sequential(nn.Linear(d_model, d_model), nn.Dropout(dropout))
        self.mlp_norm = nn.LayerNorm(d_model)
        self.mlp = feed_forward(d_model, int(d_model * mlp_ratio), dropout)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """``[B, S, D]`` -> ``[B, S, D]``; ``keep`` ``[B, 1, 1, S]`` is False for tokens that are left out."""
        tokens = self.token_norm(x)
        collect_key, distribute_query = self.key_and_query(tokens).chunk(2, dim=-1)
        groups = self._collect(tokens, collect_key, keep)
        groups = self.mixer(groups)
        x = x + self.exchange_out(self._distribute(distribute_query, groups))
        x = x + self.mlp(self.mlp_norm(x))
        return x

    def _collect(self, tokens: Tensor, key: Tensor, keep: Tensor | None) -> Tensor:
        """Tokens ``[B, S, D]`` and their keys -> what each group finds in them ``[B, G, D]``."""
        query = self.group_norm(self.groups).to(key.dtype).expand(tokens.shape[0], -1, -1)
        value = tokens.to(key.dtype)
        n = self.num_heads
        return self.groups + attend(split_heads(query, n), split_heads(key, n), split_heads(value, n), keep)

    def _distribute(self, query: Tensor, groups: Tensor) -> Tensor:
        """Queries of the tokens ``[B, S, D]`` and groups ``[B, G, D]`` -> what each token takes ``[B, S, D]``."""
        key, value = self.key_and_value(self.mixed_norm(groups)).chunk(2, dim=-1)
        n = self.num_heads
        return attend(split_heads(query, n), split_heads(key, n), split_heads(value, n))


class Exchanger(TokenEncoder):
    """Encode the cells of a patch, or the dates of a time series, at a cost linear in their number.

    In each block a few learned group tokens collect from the tokens by attention, update among themselves with an MLP
    mixer, and distribute back to every token by attention. With its defaults 1.40 million parameters on 3 bands.
    Input, output and the arguments not listed are those of :class:`~eurosat_cls.encoders.tokens.TokenEncoder`.

    Args:
        in_channels: bands ``C``.
        num_groups: group tokens ``G`` of each block.
        shared: see :class:`~eurosat_cls.encoders.tokens.TokenEncoder`.

    Raises:
        UserError: as the Transformer, and for ``num_groups`` below 1.

    Source: the collect, update, distribute steps of Cai et al., "Rethinking the Encoding of Satellite Image Time
    Series", arXiv 2305.02086, 2023. Here positions are added to the tokens once instead of biasing every attention,
    and what is distributed is added to the tokens instead of concatenated.

    Example:
        >>> encoder = Exchanger(3, d_model=32, num_layers=2)
        >>> patch = torch.zeros(2, 3, 64, 64)
        >>> encoder(patch).shape, encoder.forward_map(patch).shape, encoder.forward_tokens(patch).features.shape
        (torch.Size([2, 32]), torch.Size([2, 32, 8, 8]), torch.Size([2, 64, 32]))
    """

    def __init__(self, in_channels: int, num_groups: int = 8, **shared: Any) -> None:
        if num_groups < 1:
            raise UserError(f"Exchanger: num_groups must be at least 1, got {num_groups}.")
        self.num_groups = num_groups
        super().__init__(in_channels, **shared)

    def block(self, d_model: int, num_heads: int, mlp_ratio: float, dropout: float) -> ExchangerBlock:
        """Build a block."""
        return ExchangerBlock(d_model, num_heads, self.num_groups, mlp_ratio, dropout)
