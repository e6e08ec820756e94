"""A batch as the network gets it."""

from collections.abc import Sequence

import numpy as np

from eurosat_cls.analysis.plots.colour import colour_name, displayed, stretch_limits, to_rgb
from eurosat_cls.analysis.plots.gallery import Row, draw_gallery
from eurosat_cls.analysis.plots.labels import label_text

MOST_PATCHES = 32
_IN_A_ROW = 8


def draw_batch(
    images: np.ndarray,
    targets: np.ndarray,
    class_names: Sequence[str] | None,
    bands: Sequence[str],
    multilabel: bool = False,
) -> np.ndarray:
    """Draw the first 32 patches of a batch with their labels.

    ``targets`` ``[B, ...]`` and ``multilabel`` are as for :func:`eurosat_cls.analysis.plots.labels.label_text`; without
    ``class_names`` there are no labels.
    """
    channels = displayed(bands)
    shown = images[:MOST_PATCHES, channels]
    pixels = to_rgb(shown, *stretch_limits(shown))
    texts = [""] * len(shown)
    if class_names is not None:
        texts = [label_text(target, class_names, multilabel) for target in targets[: len(shown)]]
    starts = range(0, len(shown), _IN_A_ROW)
    rows = [Row("", pixels[start : start + _IN_A_ROW], texts[start : start + _IN_A_ROW]) for start in starts]
    note = f"{colour_name(bands)}, stretched between the 2nd and 98th percentile"
    return draw_gallery(f"The first {len(shown)} of {len(images)} patches of a batch", rows, note)
