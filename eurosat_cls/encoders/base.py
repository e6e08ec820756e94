"""The contract that every encoder keeps."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from eurosat_cls.utils.configurable import Configurable


class Tokens(NamedTuple):
    """What an encoder found, cell by cell or date by date.

    Attributes:
        features: ``[B, S, D]`` float.
        mask: ``[B, S]`` bool, True for padding, which is to be ignored; None when there is none.
    """

    features: Tensor
    mask: Tensor | None = None


class Encoder(nn.Module, Configurable, ABC):
    """Turn a normalised patch into a feature vector.

    An encoder whose tokens attend to each other can have a method ``attention`` from ``[B, C, H, W]`` to the attention
    maps ``[B, layers, h * w, h * w]`` of its cells, from row to column; pictures of attention use it.

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

    def pool(self, feature_map: Tensor) -> Tensor:
        """Map ``[B, D, h, w]`` of :meth:`forward_map` -> the features ``[B, D]`` that :meth:`forward` makes of it.

        Here the mean over the map. An encoder that does something else with its map overrides this; Grad-CAM, which
        needs it, leaves out encoders where the two disagree.

        Raises:
            UserError: in an encoder whose features do not follow from its map.
        """
        return feature_map.mean(dim=(2, 3))

    def forward_tokens(self, x: Tensor) -> Tokens:
        """``[B, C, H, W]`` float -> tokens ``[B, h * w, D]``, the cells of the map row by row."""
        return Tokens(self.forward_map(x).flatten(2).transpose(1, 2))
