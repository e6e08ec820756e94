"""What augmentations make of a few patches."""

from collections.abc import Sequence

import numpy as np

from eurosat_cls.analysis.plots.colour import colour_name, displayed, stretch_limits, to_rgb
from eurosat_cls.analysis.plots.gallery import Row, draw_gallery


def draw_augmentations(
    original: np.ndarray,
    augmented: Sequence[tuple[str, np.ndarray, Sequence[str]]],
    bands: Sequence[str],
    captions: Sequence[str],
    note: str = "",
) -> np.ndarray:
    """Draw the patches as they are, and below them what became of them, all stretched as the originals are.

    ``captions`` are the ``[n]`` labels of the originals. Each further row of ``augmented`` has a title, raw values
    ``[n, C, H, W]`` and ``[n]`` captions.
    """
    channels = displayed(bands)
    low, high = stretch_limits(original[:, channels])
    rows = [Row("original", to_rgb(original[:, channels], low, high), captions)]
    rows += [Row(title, to_rgb(images[:, channels], low, high), texts) for title, images, texts in augmented]
    about = f"{colour_name(bands)}, stretched as the originals" + (f"; {note}" if note else "")
    if len(bands) > len(channels):
        about += "; changes of other bands do not show"
    return draw_gallery("What the network sees in training", rows, about)
