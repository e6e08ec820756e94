"""A figure of each class, best first, beside lines that are told apart by it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eurosat_cls.analysis.plots.style import COLOURS, LIGHT, new_figure, shortened, tidy

GREY = "#777777"
_IN_COLUMN = 20  # classes
_DOTS = 1.7  # inches of the list's axes


def lines_and_list(
    values: np.ndarray, class_names: Sequence[str], title: str, note: str, label: str, panel: float = 5.2
) -> tuple[Figure, Axes, list[str]]:
    """Return a figure with room for lines of the classes on the left, and a list of their scores on the right.

    The classes with the lowest scores have a colour, all others are grey: 60 colours cannot be told apart. ``values``
    are ``[K]`` scores within [0, 1], called ``label``; a class that has none (NaN) is last in the list. The room for
    lines is ``panel`` inches wide.

    Returns:
        The figure, the axes for lines, and the colour of each class.
    """
    count = len(values)
    order = np.argsort(np.where(np.isnan(values), np.inf, -values), kind="stable")
    colours = _colours(values)
    columns = -(-count // _IN_COLUMN)
    length = -(-count // columns)
    width = _DOTS + 0.3 + 0.078 * max(len(_line(name, 1.0)) for name in class_names)
    if coloured := count - colours.count(GREY) if GREY in colours else 0:
        note += f"{'; ' if note else ''}colours: the {coloured} lowest of {count}"
    figure = new_figure(panel + columns * width, max(length * 0.235 + 1.3, 4.3), title, note)
    grid = figure.add_gridspec(1, 1 + columns, width_ratios=[panel - 0.8] + [_DOTS] * columns)
    lowest = min(float(np.nanmin(values, initial=1.0)), 0.99)
    start = np.floor(lowest * 10 - 0.2) / 10
    for column in range(columns):
        shown = order[column * length : (column + 1) * length]
        axes = figure.add_subplot(grid[0, 1 + column])
        axes.hlines(range(len(shown)), max(start, 0) - 0.02, values[shown], color=LIGHT, linewidth=1)
        axes.scatter(values[shown], range(len(shown)), c=[colours[k] for k in shown], s=26, zorder=3, clip_on=False)
        axes.set_yticks(range(len(shown)), [_line(class_names[k], values[k]) for k in shown], fontsize=8)
        axes.set_xlim(max(start, 0) - 0.02, 1.02)
        axes.set_ylim(length - 0.4, -0.6)
        axes.set_xlabel(label, fontsize=9)
        tidy(axes)
        axes.tick_params(axis="y", length=0, labelsize=8)
        axes.spines["left"].set_visible(False)
    axes = figure.add_subplot(grid[0, 0])
    tidy(axes)
    return figure, axes, colours


def draw_lines(
    axes: Axes,
    curves: Sequence[tuple[np.ndarray, np.ndarray]],
    colours: Sequence[str],
    steps: bool = False,
    mark: str | None = None,
) -> None:
    """Draw a line of x and y for each class, those with a colour of :func:`lines_and_list` over the grey ones.

    With ``steps`` a value holds from the point before on, as average precision counts it.
    """
    style = "steps-pre" if steps else "default"
    for (x, y), colour in sorted(zip(curves, colours, strict=True), key=lambda pair: pair[1] != GREY):
        width, alpha = (0.8, 0.6) if colour == GREY else (1.6, 1.0)
        axes.plot(x, y, color=colour, linewidth=width, alpha=alpha, marker=mark, markersize=3, drawstyle=style)


def _colours(values: np.ndarray) -> list[str]:
    """Colours for all of a few classes, else of the lowest figures."""
    few = len(values) <= len(COLOURS)
    wanted = [int(k) for k in np.argsort(values, kind="stable") if few or values[k] < 1][: len(COLOURS)]
    return [COLOURS[wanted.index(k)] if k in wanted else GREY for k in range(len(values))]


def _line(name: str, value: float) -> str:
    return f"{shortened(name)}  {'none' if np.isnan(value) else f'{value:.4f}'}"
