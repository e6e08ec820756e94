"""The decoder that does nothing."""

from torch import Tensor

from eurosat_cls.decoders.base import Decoder, Takes
from eurosat_cls.utils.errors import UserError


class Identity(Decoder):
    """Hand on what the encoder gives, for encoders that give the outputs themselves.

    Args:
        in_features: length ``D`` of the features.
        num_outputs: number ``K`` of outputs, which must be ``D``.
        takes: ``features``, or ``map`` for an encoder whose map is the reconstruction.

    Raises:
        UserError: when the two differ, or ``takes`` is something else.

    Example:
        >>> import torch
        >>> Identity(10, 10)(torch.ones(2, 10)).shape
        torch.Size([2, 10])
    """

    def __init__(self, in_features: int, num_outputs: int, takes: Takes = "features") -> None:
        super().__init__()
        if in_features != num_outputs:
            raise UserError(
                f"Identity: the encoder gives {in_features} features, but {num_outputs} outputs are needed; "
                "use another decoder, such as LinearHead."
            )
        if takes == "tokens":
            raise UserError("Identity: takes must be features or map.")
        self.takes = takes

    def forward(self, encoded: Tensor) -> Tensor:
        """``[B, D]`` or ``[B, D, h, w]`` -> the same."""
        return encoded
