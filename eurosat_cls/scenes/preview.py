"""The picture of a map beside its scene."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from eurosat_cls.scenes.images import Images
from eurosat_cls.utils.figures import new_figure, png_of
from eurosat_cls.utils.files import write_bytes


def draw_preview(images: Images, painted: np.ndarray, extent: tuple[int, int], rows: Sequence[tuple[str, str, str]],
                 title: str, note: str) -> Figure:  # fmt: skip
    """Draw true colour and classes side by side over a legend.

    Args:
        images: of the map.
        painted: its classes, uint8 ``[r, c, 4]``.
        extent: height and width of the scene in pixels.
        rows: name, colour and area of each class that is there.
        title: headline.
        note: smaller line below it.
    """
    height, width = extent
    side = 5.6
    lines = -(-len(rows) // 4)
    tall = min(max(side * height / width, 2.0), 9.0)
    total = tall + 0.24 * lines + 0.95
    figure = new_figure(2 * side + 0.3, total, _short(title), _short(note))
    figure.set_layout_engine("none")
    bottom, top = (0.24 * lines + 0.25) / total, 1 - 0.65 / total
    for number, (picture, pixels) in enumerate(((images.colour, images.colour_pixels), (painted, images.cell_pixels))):
        axes = figure.add_axes((0.01 + 0.495 * number, bottom, 0.485, top - bottom))
        right, low = picture.shape[1] * pixels, picture.shape[0] * pixels
        axes.imshow(picture, extent=(0, right, low, 0), interpolation="nearest" if number else "antialiased")
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.set_xticks([])
        axes.set_yticks([])
    handles = [Patch(facecolor=colour, edgecolor="#888888", linewidth=0.4, label=_short(f"{name}  {area}"))
               for name, colour, area in rows]  # fmt: skip
    figure.legend(handles=handles, loc="lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def write_preview(path: Path, figure: Figure) -> None:
    """Write a figure as PNG."""
    write_bytes(path, png_of(figure))


def _short(text: str) -> str:
    """Text of a length that fits."""
    return text if len(text) <= 140 else f"{text[:100]}...{text[-37:]}"
