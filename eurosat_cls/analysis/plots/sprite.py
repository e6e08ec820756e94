"""Thumbnails side by side in one image, as TensorBoard's projector takes them."""

import numpy as np
from PIL import Image

from eurosat_cls.utils.errors import UserError

LARGEST = 8192  # pixels of a side, the projector's limit
SMALLEST_THUMBNAIL = 8


def draw_sprite(images: np.ndarray, side: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Put images into a square grid, row by row.

    Args:
        images: uint8 ``[n, H, W, 3]``.
        side: longer side of a thumbnail in pixels; less where the whole would exceed 8192.

    Returns:
        uint8 ``[height, width, 3]``, and width and height of a thumbnail.

    Raises:
        UserError: for so many images that a thumbnail has fewer than 8 pixels.
    """
    in_row = int(np.ceil(np.sqrt(len(images))))
    side = min(side, LARGEST // in_row)
    if side < SMALLEST_THUMBNAIL:
        raise UserError(f"{len(images):,} thumbnails do not fit into an image of {LARGEST} pixels.")
    height, width = images.shape[1:3]
    size = max(1, round(side * width / max(height, width))), max(1, round(side * height / max(height, width)))
    sheet = Image.new("RGB", (in_row * size[0], in_row * size[1]), "white")
    for number, image in enumerate(images):
        small = Image.fromarray(image).resize(size, Image.Resampling.BOX)
        sheet.paste(small, (number % in_row * size[0], number // in_row * size[1]))
    return np.asarray(sheet), size
