"""The multi-layer perceptron head."""

from collections.abc import Sequence

from torch import Tensor, nn

from eurosat_cls.decoders.base import Decoder
from eurosat_cls.utils.errors import UserError


def perceptron(
    name: str, in_features: int, hidden: Sequence[int], num_outputs: int, dropout: float = 0.0
) -> nn.Sequential:
    """Linear layers with ReLU and dropout behind all but the last.

    Args:
        name: whose settings these are, for errors.
        in_features: length of the input.
        hidden: features of each hidden layer; none make one linear layer.
        num_outputs: length of the output.
        dropout: share of hidden features dropped while training, in [0, 1).

    Raises:
        UserError: for hidden sizes below 1 or a dropout outside [0, 1).
    """
    if any(size < 1 for size in hidden):
        raise UserError(f"{name}: hidden sizes must be at least 1, got {list(hidden)}.")
    if not 0 <= dropout < 1:
        raise UserError(f"{name}: dropout must be in [0, 1), got {dropout}.")
    layers: list[nn.Module] = []
    for a, b in zip([in_features, *hidden], hidden):
        layers += [nn.Linear(a, b), nn.ReLU(inplace=True), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear([in_features, *hidden][-1], num_outputs))


class MLP(Decoder):
    """Classify features with a multi-layer perceptron.

    Args:
        in_features: length ``D`` of the features.
        num_outputs: number ``K`` of logits.
        hidden: features of each hidden layer.
        dropout: share of hidden features dropped while training, in [0, 1).

    Raises:
        UserError: for hidden sizes below 1 or a dropout outside [0, 1).

    Example:
        >>> import torch
        >>> MLP(160, 10, hidden=[64])(torch.zeros(2, 160)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, in_features: int, num_outputs: int, hidden: Sequence[int] = (128,), dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.layers = perceptron("MLP", in_features, hidden, num_outputs, dropout)

    def forward(self, encoded: Tensor) -> Tensor:
        """``[B, D]`` -> ``[B, K]`` logits."""
        logits: Tensor = self.layers(encoded)
        return logits
