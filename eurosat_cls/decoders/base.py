"""The contract that every decoder keeps."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Decoder(nn.Module, ABC):
    """Turn a feature vector into outputs, one per class for a classifier."""

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """``[B, D]`` -> ``[B, K]`` logits."""
