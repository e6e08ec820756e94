"""One patch as a file holds it: its pixels, and where on Earth it lies."""

from typing import Literal, NamedTuple

import numpy as np

NoData = Literal["error", "fill"]  # what becomes of values that stand for missing ones


class BoundingBox(NamedTuple):
    """Where a patch lies.

    Attributes:
        epsg: code of the coordinate reference system.
        left: smallest x of the patch's outline, in the unit of that system, like the others.
        bottom: smallest y.
        right: largest x.
        top: largest y.
    """

    epsg: int
    left: float
    bottom: float
    right: float
    top: float


class Patch(NamedTuple):
    """A decoded file.

    Attributes:
        pixels: ``[C, H, W]`` in the sensor's dtype.
        place: where it lies, when the file says so.
    """

    pixels: np.ndarray
    place: BoundingBox | None = None


# Of the EXIF and TIFF tag Orientation: whether rows and columns change places, then what is reversed.
_ORIENTATIONS = {2: (False, (2,)), 3: (False, (1, 2)), 4: (False, (1,)),
                 5: (True, ()), 6: (True, (2,)), 7: (True, (1, 2)), 8: (True, (1,))}  # fmt: skip


def is_turned(orientation: int) -> bool:
    """Whether an orientation makes rows of columns."""
    return _ORIENTATIONS.get(orientation, (False, ()))[0]


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return stored ``[C, H, W]`` as it is to be seen.

    Args:
        pixels: as stored.
        orientation: value of the tag 274; any but 2 to 8 leaves pixels as they are.

    Source: EXIF 2.32, Orientation; TIFF 6.0 likewise.
    """
    transposed, reversed_axes = _ORIENTATIONS.get(orientation, (False, ()))
    return np.flip(pixels.swapaxes(1, 2) if transposed else pixels, reversed_axes)
