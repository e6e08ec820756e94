"""The one type that travels from the loader to the model."""

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """A batch of raw patches.

    Attributes:
        image: ``[B, C, H, W]`` in the sensor's own dtype (uint8 or uint16 digital numbers).
        target: ``[B]`` int64 class indices; -1 where no label is known (prediction on plain images).
        index: ``[B]`` int64 positions in the data module's store, so that every error, gallery and
            prediction can name its file.
    """

    image: Tensor
    target: Tensor
    index: Tensor  # type: ignore[assignment]  # hides tuple.index, which nobody calls on a batch
