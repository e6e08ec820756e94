"""Pictures as pixels, and as files."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from eurosat_cls.utils.files import created

if TYPE_CHECKING:  # matplotlib is loaded when something is drawn
    from matplotlib.figure import Figure


def pixels_of(picture: "Figure | np.ndarray") -> np.ndarray:
    """Return a picture as ``[H, W, 3]`` uint8."""
    if isinstance(picture, np.ndarray):
        return picture
    from eurosat_cls.utils.figures import png_of

    return np.asarray(Image.open(io.BytesIO(png_of(picture))).convert("RGB"))


def write_png(path: Path, picture: "Figure | np.ndarray") -> None:
    """Write a figure, or an image ``[H, W, 3]`` uint8.

    Raises:
        OSError: when it cannot be written.
    """
    with created(path) as stream:
        Image.fromarray(pixels_of(picture)).save(stream, "PNG")
