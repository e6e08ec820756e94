"""One patch as a file holds it: its pixels, and where on Earth it lies."""

from typing import NamedTuple

import numpy as np


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
