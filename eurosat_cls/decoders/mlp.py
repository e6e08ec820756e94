"""The multi-layer perceptron, and the head that is one."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from eurosat_cls.decoders.base import Decoder
from eurosat_cls.utils.errors import UserError


class Perceptron(nn.Sequential):
    """Linear layers, with an activation and dropout behind all but the last.

    Args:
        in_features: length of the input.
        num_outputs: length of the output.
        hidden: features of each hidden layer; none make one linear layer.
        dropout: share of hidden features dropped while training.
        activation: builds what follows each hidden layer.

    Example:
        >>> Perceptron(160, 10, hidden=[64], activation=nn.GELU)
        Perceptron(
          (0): Linear(in_features=160, out_features=64, bias=True)
          (1): GELU(approximate='none')
          (2): Dropout(p=0.0, inplace=False)
          (3): Linear(in_features=64, out_features=10, bias=True)
        )
    """

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        hidden: Sequence[int],
        dropout: float = 0.0,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        layers: list[nn.Module] = []
        for size in hidden:
            layers += [nn.Linear(in_features, size), activation(), nn.Dropout(dropout)]
            in_features = size
        super().__init__(*layers, nn.Linear(in_features, num_outputs))


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
        name = type(self).__name__
        if any(size < 1 for size in hidden):
            raise UserError(f"{name}: hidden sizes must be at least 1, got {list(hidden)}.")
        if not 0 <= dropout < 1:
            raise UserError(f"{name}: dropout must be in [0, 1), got {dropout}.")
        self.layers = Perceptron(in_features, num_outputs, hidden, dropout)

    def forward(self, encoded: Tensor) -> Tensor:
        """``[B, D]`` -> ``[B, K]`` logits."""
        logits: Tensor = self.layers(encoded)
        return logits
