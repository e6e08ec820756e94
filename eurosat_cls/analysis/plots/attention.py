"""A patch of each class, and how much attention its cells get in each layer."""

from collections.abc import Sequence

import numpy as np

from eurosat_cls.analysis.plots.colour import colour_name
from eurosat_cls.analysis.plots.gallery import Row, draw_gallery
from eurosat_cls.analysis.plots.misclassified import to_tiles
from eurosat_cls.analysis.plots.overlay import enlarge, overlay

_SIDE = 128
_TILES = 12  # side by side
_RANGE = 3.0  # in multiples of the mean: what is nearly even is to look so


def draw_attention(
    images: np.ndarray, maps: np.ndarray, class_names: Sequence[str], bands: Sequence[str], note: str = ""
) -> np.ndarray:
    """Draw a row for each class: its patch, then the attention in each layer.

    Each map's colours go from no attention to three times the mean, or to its highest where that is more. ``maps`` are
    ``[n, L, h, w]`` float: 1 where a cell gets the mean of all; ``class_names`` are ``[n]`` here, one for each patch.
    """
    rows, tiles = [], enlarge(to_tiles(images, bands), _SIDE)
    for name, tile, layers in zip(class_names, tiles, maps, strict=True):
        seen = [overlay(tile, cells / max(_RANGE, float(cells.max())), smooth=False) for cells in layers]
        captions = [f"layer {n + 1}: up to {cells.max():.1f}x" for n, cells in enumerate(layers)]
        rows.append(Row(name, np.stack([tile, *seen]), ["", *captions]))
    abreast = max(1, min(_TILES // (1 + maps.shape[1]), len(rows)))
    head = f"{note}{'; ' if note else ''}bright: attention, in multiples of what a cell gets on average"
    return draw_gallery("Attention by class and layer", rows, f"{head}; {colour_name(bands)}", abreast)
