"""Where the parts of a split lie, and where the errors are."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from eurosat_cls.analysis.places import PatchPlaces
from eurosat_cls.analysis.plots.style import LIGHT, PARTS, VERMILION
from eurosat_cls.utils.figures import new_figure

_WIDTH, _LOW, _HIGH = 5.0, 3.4, 6.5  # inches of a panel: its width at most, and both sides
_LEFT, _BELOW, _ABOVE = 0.75, 0.4, 1.2  # inches for letters


def draw_places(places: PatchPlaces, wrong: np.ndarray, right: np.ndarray, note: str = "") -> Figure:
    """Draw the patches of each part with the blocks of a spatial split, and beside them what was wrong and right.

    ``wrong`` and ``right`` are int64 positions in the store; without any there is one panel.
    """
    answered = len(wrong) + len(right) > 0
    x, y = (_limits(values, edges) for values, edges in zip(places[1:3], _edges(places), strict=True))
    shrink = max(math.cos(math.radians(sum(y) / 2)), 0.01)
    ratio = (y[1] - y[0]) / (x[1] - x[0]) / shrink
    tall = min(max(_WIDTH * ratio, _LOW), _HIGH)
    wide = min(max(tall / ratio, _LOW), _WIDTH)
    count = 1 + answered
    size = count * (wide + _LEFT) + 0.2, tall + _BELOW + _ABOVE
    figure = new_figure(*size, "Where the patches lie", note)
    figure.set_layout_engine("none")  # it would leave no room for the letters along axes of a fixed aspect
    all_axes = [
        figure.add_axes(((n * wide + (n + 1) * _LEFT) / size[0], _BELOW / size[1], wide / size[0], tall / size[1]))
        for n in range(count)
    ]
    _draw_parts(all_axes[0], places)
    if answered:
        _draw_points(all_axes[1], places, np.isin(places.indices, right), LIGHT, "right")
        _draw_points(all_axes[1], places, np.isin(places.indices, wrong), VERMILION, "wrong")
    for axes in all_axes:
        axes.set(xlim=x, ylim=y, anchor="NW")
        axes.set_aspect(1 / shrink, adjustable="box")
        axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower left", bbox_to_anchor=(-0.02, 1), markerscale=2)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{abs(x):g}° {'W' if x < 0 else 'E'}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{abs(y):g}° {'S' if y < 0 else 'N'}"))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
        axes.grid(color="#EEEEEE")
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=8, length=0)
        axes.spines[:].set_color(LIGHT)
    return figure


def _edges(places: PatchPlaces) -> tuple[list[float], list[float]]:
    """West and east, south and north ends of the blocks."""
    return [v for b in places.blocks for v in b[::2]], [v for b in places.blocks for v in b[1::2]]


def _limits(values: np.ndarray, edges: list[float]) -> tuple[float, float]:
    """Where an axis begins and ends, in degrees, with a margin."""
    low, high = float(min([values.min(), *edges])), float(max([values.max(), *edges]))
    margin = max(0.03 * (high - low), 0.01)
    return low - margin, high + margin


def _draw_parts(axes: Axes, places: PatchPlaces) -> None:
    colours = {**PARTS, "": "#777777"}
    for name, colour in colours.items():
        blocks = [bounds for bounds, part in places.blocks.items() if part == name]
        corners = [[(w, s), (e, s), (e, n), (w, n)] for w, s, e, n in blocks]
        axes.add_collection(PolyCollection(corners, facecolor=colour, edgecolor=colour, alpha=0.35, linewidth=2))
        label = f"{name or 'in no part'}{f' ({len(blocks):,} blocks)' if blocks else ''}"
        _draw_points(axes, places, places.part == name, colour, label)


def _draw_points(axes: Axes, places: PatchPlaces, chosen: np.ndarray, colour: str, label: str) -> None:
    if not chosen.any():
        return
    size = float(np.clip(3000 / len(places.indices), 1.5, 14))
    axes.scatter(
        places.longitude[chosen], places.latitude[chosen], s=size, color=colour, linewidth=0,
        label=f"{label}: {int(chosen.sum()):,}",
    )  # fmt: skip
