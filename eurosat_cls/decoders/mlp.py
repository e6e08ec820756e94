"""The multi-layer perceptron head."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from eurosat_cls.decoders.base import Decoder
from eurosat_cls.utils.errors import UserError


class MLP(Decoder):
    """Classify features with linear layers, an activation and dropout behind all but the last.

    Args:
        in_features: length ``D`` of the features.
        num_outputs: number ``K`` of logits.
        hidden: features of each hidden layer; none make one linear layer.
        dropout: share of hidden features dropped while training, in [0, 1).
        activation: builds what follows each hidden layer.

    Raises:
        UserError: for hidden sizes below 1 or a dropout outside [0, 1).

    Example:
        >>> MLP(160, 10, hidden=[64], activation=nn.GELU)
        MLP(
          (layers): Sequential(
            (0): Linear(in_features=160, out_features=64, bias=True)
            (1): GELU(approximate='none')
            (2): Dropout(p=0.0, inplace=False)
            (3): Linear(in_features=64, out_features=10, bias=True)
          )
        )
    """

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        hidden: Sequence[int] = (128,),
        dropout: float = 0.0,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if any(size < 1 for size in hidden):
            raise UserError(f"{name}: hidden sizes must be at least 1, got {list(hidden)}.")
        if not 0 <= dropout < 1:
            raise UserError(f"{name}: dropout must be in [0, 1), got {dropout}.")
        layers: list[nn.Module] = []
        for size in hidden:
            layers += [nn.Linear(in_features, size), activation(), nn.Dropout(dropout)]
            in_features = size
        self.layers = nn.Sequential(*layers, nn.Linear(in_features, num_outputs))

    def forward(self, encoded: Tensor) -> Tensor:
        """``[B, D]`` -> ``[B, K]`` logits."""
        logits: Tensor = self.layers(encoded)
        return logits
