"""A score of each class, best first, beside lines that are told apart by it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eurosat_cls.analysis.plots.style import LIGHT, shortened, tidy
from eurosat_cls.utils.class_colours import class_colours
from eurosat_cls.utils.figures import new_figure

GREY = "#777777"
_ALL, _LOWEST = 12, 7  # classes that are all coloured, and how many are where there are more
_IN_COLUMN = 20  # classes
_PANEL, _DOTS = 5.2, 1.7  # inches of the lines' room, and of the list's axes


def lines_and_list(
    values: np.ndarray, class_names: Sequence[str], title: str, note: str, label: str, positive: bool = False
) -> tuple[Figure, Axes, list[str]]:
    """Return a figure with room for lines of the classes on the left, and a list of their scores on the right.

    Each class has its own colour, the same in every chart; of more than 12 only the 7 with the lowest scores have one,
    all others are grey: 60 colours cannot be told apart. ``values`` are ``[K]`` scores within [0, 1], called ``label``;
    a class that has none (NaN) is last in the list. ``positive``: what is drawn is the second class of two, alone.

    Returns:
        The figure, the axes for lines, and the colour of each class.
    """
    count = len(values)
    order = np.argsort(np.where(np.isnan(values), np.inf, -values), kind="stable")
    colours = class_colours(["", *class_names])[1:] if positive else class_colours(class_names)
    if count > _ALL:
        lowest = [k for k in np.argsort(values, kind="stable")[:_LOWEST].tolist() if values[k] < 1]
        colours = [colour if k in lowest else GREY for k, colour in enumerate(colours)]
        note += f"{'; ' if note else ''}colours: the {len(lowest)} lowest of {count}"
    columns = -(-count // _IN_COLUMN)
    length = -(-count // columns)
    width = _DOTS + 0.3 + 0.078 * max(len(_line(name, 1.0)) for name in class_names)
    figure = new_figure(_PANEL + columns * width, max(length * 0.235 + 1.3, 4.3), title, note)
    grid = figure.add_gridspec(1, 1 + columns, width_ratios=[_PANEL - 0.8] + [_DOTS] * columns)
    start = np.floor(min(float(np.nanmin(values, initial=1.0)), 0.99) * 10 - 0.2) / 10
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


def _line(name: str, value: float) -> str:
    return f"{shortened(name)}  {'none' if np.isnan(value) else f'{value:.4f}'}"
