"""Heads that pool tokens: padding has no part in what they give.

Shape legend: B batch, S tokens, D features, K logits.
"""

from torch import Tensor, nn

from eurosat_cls.decoders.base import Decoder
from eurosat_cls.decoders.mlp import MLP
from eurosat_cls.encoders.base import Tokens
from eurosat_cls.utils.errors import UserError


class MulticlassClassification(MLP):
    """Classify tokens by the maximum of each feature over them, then a multi-layer perceptron.

    Args:
        in_features: length ``D`` of the tokens.
        num_outputs: number ``K`` of logits.
        hidden: features of each hidden layer.
        dropout: share of hidden features dropped while training, in [0, 1).

    Raises:
        UserError: for hidden sizes below 1 or a dropout outside [0, 1).

    Source: max-pooling over a set, then a perceptron, as in Qi et al., "PointNet: Deep Learning on Point Sets for 3D
    Classification and Segmentation", CVPR 2017.

    Example:
        >>> import torch
        >>> tokens = Tokens(torch.zeros(2, 5, 32), torch.tensor([[False] * 5, [False] * 3 + [True] * 2]))
        >>> MulticlassClassification(32, 10)(tokens).shape
        torch.Size([2, 10])
    """

    takes = "tokens"

    def forward(self, encoded: Tokens) -> Tensor:  # type: ignore[override]
        """Tokens ``[B, S, D]``, padding ``[B, S]`` or None -> ``[B, K]`` logits."""
        return super().forward(masked_max(encoded))


class AttentionPooling(Decoder):
    """Classify the weighted mean of tokens, with weights that a small network reads off each token.

    Args:
        in_features: length ``D`` of the tokens.
        num_outputs: number ``K`` of logits.
        hidden: hidden features of the network that weighs.
        dropout: share of the mean's features dropped while training, in [0, 1).

    Raises:
        UserError: for a hidden size below 1 or a dropout outside [0, 1).

    Source: Ilse et al., "Attention-based Deep Multiple Instance Learning", ICML 2018, without its gate.

    Example:
        >>> import torch
        >>> pool = AttentionPooling(32, 10)
        >>> tokens = Tokens(torch.rand(2, 5, 32))
        >>> pool(tokens).shape, pool.weights(tokens).shape
        (torch.Size([2, 10]), torch.Size([2, 5]))
    """

    takes = "tokens"

    def __init__(self, in_features: int, num_outputs: int, hidden: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        if hidden < 1 or not 0 <= dropout < 1:
            raise UserError(
                f"AttentionPooling: hidden must be at least 1 and dropout in [0, 1), got {hidden} and {dropout}."
            )
        # No bias at the end: the softmax would take it out.
        self.score = nn.Sequential(nn.Linear(in_features, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(in_features, num_outputs)

    def weights(self, encoded: Tokens) -> Tensor:
        """Tokens ``[B, S, D]`` -> weights ``[B, S]`` float32: 0 for padding, otherwise of sum 1."""
        scores = self.score(_without_padding(encoded)).squeeze(-1).float()
        if encoded.mask is not None:  # not with -inf, which would make the weights of nothing but padding NaN
            scores = scores.masked_fill(encoded.mask, -1e30)
        weights: Tensor = scores.softmax(dim=1)
        return weights if encoded.mask is None else weights.masked_fill(encoded.mask, 0.0)

    def forward(self, encoded: Tokens) -> Tensor:
        """Tokens ``[B, S, D]``, padding ``[B, S]`` or None -> ``[B, K]`` logits."""
        features = _without_padding(encoded)
        pooled = (self.weights(encoded)[:, None].to(features.dtype) @ features).squeeze(1)
        logits: Tensor = self.linear(self.dropout(pooled))
        return logits


def masked_max(encoded: Tokens) -> Tensor:
    """Tokens ``[B, S, D]`` -> the maximum of each feature over what is no padding ``[B, D]``; 0 where all is."""
    features, mask = encoded
    if mask is None:
        return features.amax(dim=1)
    highest = features.masked_fill(mask[..., None], float("-inf")).amax(dim=1)
    return highest.masked_fill(mask.all(dim=1, keepdim=True), 0.0)


def _without_padding(encoded: Tokens) -> Tensor:
    """Features with zeros for padding, whatever it held: a weight of 0 would keep a NaN."""
    features, mask = encoded
    return features if mask is None else features.masked_fill(mask[..., None], 0.0)
