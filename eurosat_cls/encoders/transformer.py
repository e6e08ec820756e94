"""The transformer encoder.

Shape legend: B batch, C bands, H W patch size, S tokens, D features, h heads.
"""

import torch
from torch import Tensor, nn

from eurosat_cls.encoders.attention import attend, attention_weights, feed_forward, split_heads
from eurosat_cls.encoders.tokens import TokenEncoder


class TransformerBlock(nn.Module):
    """Self-attention and a feed-forward network, each behind a layer normalisation and beside a shortcut.

    Dropout is that of the source: of what each of the two adds, not of attention weights.
    """

    def __init__(self, d_model: int, num_heads: int, mlp_ratio: float, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(d_model)
        self.query_key_value = nn.Linear(d_model, 3 * d_model)
        self.attention_out = nn.Sequential(nn.Linear(d_model, d_model), nn.Dropout(dropout))
        self.mlp_norm = nn.LayerNorm(d_model)
        self.mlp = feed_forward(d_model, int(d_model * mlp_ratio), dropout)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """``[B, S, D]`` -> ``[B, S, D]``; ``keep`` ``[B, 1, 1, S]`` is False for keys that are left out."""
        x = x + self.attention_out(attend(*self._heads(x), keep=keep))
        x = x + self.mlp(self.mlp_norm(x))
        return x

    def weights(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """``[B, S, D]`` -> attention from every token (rows) to every token ``[B, S, S]``, averaged over heads."""
        query, key, _ = self._heads(x)
        return attention_weights(query, key, keep)

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = self.query_key_value(self.attention_norm(x)).chunk(3, dim=-1)
        n = self.num_heads
        return split_heads(query, n), split_heads(key, n), split_heads(value, n)


class Transformer(TokenEncoder):
    """Encode the cells of a patch, or the dates of a time series, with a pre-norm transformer.

    With its defaults 1.06 million parameters on 3 bands; 64 tokens of 8x8 pixels in a 64x64 patch.
    Input, output and arguments are those of :class:`~eurosat_cls.encoders.tokens.TokenEncoder`.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017; tokens from cells after Dosovitskiy et al., "An
    Image is Worth 16x16 Words", ICLR 2021.

    Example:
        >>> encoder = Transformer(3, d_model=32, num_layers=2).eval()
        >>> patch = torch.zeros(2, 3, 64, 64)
        >>> encoder(patch).shape, encoder.forward_map(patch).shape, encoder.attention(patch).shape
        (torch.Size([2, 32]), torch.Size([2, 32, 8, 8]), torch.Size([2, 2, 64, 64]))
        >>> series, mask = torch.zeros(2, 5, 13), torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
        >>> Transformer(13, d_model=32, patch_size=1)(series, torch.tensor([[3, 9, 40, 77, 80]] * 2), mask).shape
        torch.Size([2, 32])
    """

    def block(self, d_model: int, num_heads: int, mlp_ratio: float, dropout: float) -> TransformerBlock:
        """Build a block."""
        return TransformerBlock(d_model, num_heads, mlp_ratio, dropout)

    def attention(self, x: Tensor, positions: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Attention maps ``[B, layers, S, S]`` in float32: from token (row) to token (column), averaged over heads.

        Takes what :meth:`forward_tokens` takes. Rows sum to 1; columns of padding are 0, its rows mean nothing.
        """
        tokens, keep = self.embed(x, positions, mask), self._keep(mask)
        maps = []
        for block in self.blocks:
            maps.append(block.weights(tokens, keep))  # type: ignore[operator]
            tokens = block(tokens, keep)
        return torch.stack(maps, dim=1)
