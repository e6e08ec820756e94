"""What the charts have in common."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eurosat_cls.utils.class_colours import PALETTE, as_hex
from eurosat_cls.utils.figures import new_figure

BLUE, ORANGE, GREEN, VERMILION = map(as_hex, PALETTE[:4])
LIGHT = "#C8C8C8"
PARTS = {"train": BLUE, "val": ORANGE, "test": GREEN}


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
