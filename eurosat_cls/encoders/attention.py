"""Attention, and what else the blocks of token encoders share.

Shape legend: B batch, Q queries, S keys, D features, h heads.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eurosat_cls.utils.errors import UserError

# Up to this many keys PyTorch's bfloat16 attention takes up to three times as long on a CPU as its float32 one; with
# many more keys the two are level.
SHORT = 256


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """``[B, S, D]`` -> ``[B, h, S, D / h]``."""
    batch, tokens, features = x.shape
    return x.view(batch, tokens, num_heads, features // num_heads).transpose(1, 2)


def attend(query: Tensor, key: Tensor, value: Tensor, keep: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention of split heads, back in one vector per query: ``[B, Q, D]``.

    ``query`` is ``[B, h, Q, D / h]``, ``key`` and ``value`` are ``[B, h, S, D / h]``. ``keep``, bool and broadcast to
    ``[B, h, Q, S]``, is False for keys that are left out.
    """
    if key.device.type == "cpu" and key.shape[2] <= SHORT:
        with torch.autocast("cpu", enabled=False):
            out = F.scaled_dot_product_attention(query.float(), key.float(), value.float(), attn_mask=keep)
    else:
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=keep)
    return out.transpose(1, 2).flatten(2)


def attention_weights(query: Tensor, key: Tensor, keep: Tensor | None = None) -> Tensor:
    """The weights that :func:`attend` gives the values, averaged over heads: ``[B, Q, S]`` float32, rows sum to 1."""
    scores = (query.float() @ key.float().transpose(-1, -2)) * query.shape[-1] ** -0.5
    if keep is not None:
        scores = scores.masked_fill(~keep, float("-inf"))
    weights: Tensor = scores.softmax(dim=-1).mean(dim=1)
    return weights


def feed_forward(features: int, hidden: int, dropout: float = 0.0) -> nn.Sequential:
    """Two linear layers with a GELU between them, and dropout at the end."""
    return nn.Sequential(nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, features), nn.Dropout(dropout))


def check_heads(name: str, d_model: int, num_heads: int, num_layers: int, mlp_ratio: float, dropout: float) -> None:
    """Refuse settings that make no network.

    Raises:
        UserError: naming the settings and their values.
    """
    if min(d_model, num_heads, num_layers) < 1 or d_model * mlp_ratio < 1:
        raise UserError(f"{name}: d_model, num_heads, num_layers and mlp_ratio must be positive.")
    if d_model % num_heads:
        fitting = [n for n in range(1, d_model + 1) if d_model % n == 0 and n <= 2 * num_heads]
        raise UserError(
            f"{name}: num_heads = {num_heads} does not divide d_model = {d_model}; {', '.join(map(str, fitting))} do."
        )
    if not 0 <= dropout < 1:
        raise UserError(f"{name}: dropout must be in [0, 1), got {dropout}.")
