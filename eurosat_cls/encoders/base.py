"""The contract that every encoder keeps."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Encoder(nn.Module, ABC):
    """Turn a normalised patch into a feature vector.

    Attributes:
        out_features: length ``D`` of the feature vector.
    """

    out_features: int

    @abstractmethod
    def forward_map(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` float -> feature map ``[B, D, h, w]``."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` float -> features ``[B, D]``."""
