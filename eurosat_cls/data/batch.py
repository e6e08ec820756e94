"""The one type that travels from the loader to the model."""

from typing import Literal, NamedTuple

from torch import Tensor

# One class of several; one class or its opposite, the second of two names being the positive one; any set of classes.
TaskName = Literal["multiclass", "binary", "multilabel"]


class Batch(NamedTuple):
    """A batch of raw patches.

    Attributes:
        image: ``[B, C, H, W]`` in the sensor's own dtype (uint8 or uint16 digital numbers).
        target: ``[B]`` int64 class indices for one label per patch; float32 ``[B, K]`` of 0 and 1 for several. Mixed
            patches have float32 shares: ``[B, K]``, or ``[B]`` of the positive class in a binary task.
        indices: ``[B]`` int64 positions in the data module's store, so that every error, gallery and
            prediction can name its file.
    """

    image: Tensor
    target: Tensor
    indices: Tensor
