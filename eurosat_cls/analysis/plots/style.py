"""What the charts have in common."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from eurosat_cls.utils.class_colours import PALETTE, as_hex

BLUE, ORANGE, GREEN, VERMILION = map(as_hex, PALETTE[:4])
LIGHT = "#C8C8C8"
PARTS = {"train": BLUE, "val": ORANGE, "test": GREEN}


def new_figure(width: float, height: float, title: str, note: str = "") -> Figure:
    """Return an empty figure of this size in inches, with a headline and a smaller line below it."""
    head = (0.6 if note else 0.38) / height
    engine = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - head))
    figure = Figure(figsize=(width, height), dpi=110, layout=engine)
    figure.text(0.01, 1 - 0.08 / height, title, va="top", fontsize=13)
    figure.text(0.01, 1 - 0.34 / height, note, va="top", fontsize=9, color="#555555")
    return figure


def tidy(axes: Axes) -> None:
    """Take away what only frames."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def unit_of(dtype: str) -> str:
    """Name the unit of raw values for an axis.

    Example:
        >>> unit_of("uint8"), unit_of("uint16"), unit_of("float32")
        ('8-bit value', 'digital number', 'value')
    """
    kind = np.dtype(dtype)
    if kind == np.uint8:
        return "8-bit value"
    return "digital number" if kind.kind in "iu" else "value"


def panels(count: int, columns: int, title: str, note: str, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Return a figure of ``count`` axes in rows, each of this size in inches."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = new_figure(max(columns * size[0], 6.5), rows * size[1] + 0.6, title, note)
    return figure, [figure.add_subplot(rows, columns, number + 1) for number in range(count)]


def most_frequent(counts: Sequence[int] | np.ndarray, limit: int) -> list[int]:
    """Positions of the ``limit`` largest counts, in their own order; all where there are no more."""
    largest = np.argsort(-np.asarray(counts), kind="stable")[:limit]
    return sorted(int(position) for position in largest)


def shortened(name: str, length: int = 24) -> str:
    """Return a name that takes no more than its place; what is left out is in its middle.

    Example:
        >>> shortened("a long name that ends in number 7")
        'a long name t...number 7'
    """
    return name if len(name) <= length else f"{name[: length - 11]}...{name[-8:]}"
