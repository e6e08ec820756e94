"""How a training went."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eurosat_cls.analysis.plots.style import ORANGE, PARTS, VERMILION, panels, tidy
from eurosat_cls.metrics import mode_of

_LEFT_OUT = ("images_per_second",)
_TITLES = {"macro_f1": "macro F1"}
_FIRST = ("loss", "accuracy", "macro_f1", "learning_rate")


def draw_curves(rows: Mapping[int, Mapping[str, float]], most: int = 8) -> Figure:
    """Draw a panel for each metric, at most so many: loss, accuracy, macro F1 and learning rate first.

    ``rows`` hold, by epoch from 1, metrics by name such as ``val/loss``; not every epoch needs every one.
    """
    found = {name.partition("/")[2] for row in rows.values() for name in row} - set(_LEFT_OUT)
    names = [n for n in _FIRST if n in found] + sorted(found - set(_FIRST))
    epochs = sorted(rows)
    figure, axes = panels(len(names[:most]), 2, "Learning curves", f"epochs {epochs[0]} to {epochs[-1]}", (4.6, 2.7))
    for place, name in zip(axes, names, strict=False):
        for stage, colour in PARTS.items():
            points = [(e, rows[e][f"{stage}/{name}"]) for e in epochs if f"{stage}/{name}" in rows[e]]
            finite = [(e, value) for e, value in points if np.isfinite(value)]
            if finite:
                mark = "o" if len(finite) < 20 else None
                colour = VERMILION if name == "learning_rate" else colour
                place.plot(*zip(*finite, strict=True), color=colour, label=stage, marker=mark, markersize=3)
                if stage == "val":
                    _mark_best(place, finite, name)
        place.set_title(_TITLES.get(name, name.replace("_", " ")), fontsize=10, loc="left")
        place.set_xlabel("epoch", fontsize=9)
        place.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        place.margins(x=0.03, y=0.12)
        if len(place.lines) > 1 and name != "learning_rate":
            place.legend(frameon=False, fontsize=8)
        tidy(place)
    return figure


def _mark_best(axes: Axes, points: list[tuple[int, float]], name: str) -> None:
    """Point out the best epoch of the validation, and keep a diverged start from flattening the rest."""
    best = (min if mode_of(name) == "min" else max)(points, key=lambda p: p[1])
    axes.plot(*best, marker="o", markersize=6, markerfacecolor="none", markeredgecolor=ORANGE, linestyle="none")
    axes.annotate(f"{best[1]:.4f}", best, textcoords="offset points", xytext=(-4, 7), fontsize=8, ha="right")
    usual = float(np.median([value for _, value in points]))
    if name.endswith("loss") and max(value for _, value in points) > 20 * max(usual, 1e-12):
        axes.set_yscale("log")
