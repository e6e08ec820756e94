"""The contract that every decoder keeps."""

from abc import ABC, abstractmethod
from typing import Any, Literal

from torch import Tensor, nn

from eurosat_cls.utils.configurable import Configurable

Takes = Literal["features", "tokens", "map"]


class Decoder(nn.Module, Configurable, ABC):
    """Turn what an encoder gives into outputs, one per class for a classifier.

    Attributes:
        takes: what forward receives: ``features`` ``[B, D]``, ``tokens`` (an encoder's ``Tokens``: features
            ``[B, S, D]`` and their padding ``[B, S]`` or None), or a ``map`` ``[B, D, h, w]``.
    """

    takes: Takes = "features"

    @abstractmethod
    def forward(self, encoded: Any) -> Tensor:
        """What :attr:`takes` says -> logits ``[B, K]``, or a reconstruction ``[B, C, H, W]``."""
