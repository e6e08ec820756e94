"""The linear head."""

from torch import Tensor, nn

from eurosat_cls.decoders.base import Decoder
from eurosat_cls.utils.errors import UserError


class LinearHead(Decoder):
    """Classify features with one linear layer.

    Args:
        in_features: length ``D`` of the features.
        num_outputs: number ``K`` of logits.
        dropout: share of features dropped while training, in [0, 1).

    Raises:
        UserError: for a dropout outside [0, 1).
    """

    def __init__(self, in_features: int, num_outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise UserError(f"LinearHead: dropout must be in [0, 1), got {dropout}.")
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(in_features, num_outputs)

    def forward(self, encoded: Tensor) -> Tensor:
        """``[B, D]`` -> ``[B, K]`` logits."""
        logits: Tensor = self.linear(self.dropout(encoded))
        return logits
