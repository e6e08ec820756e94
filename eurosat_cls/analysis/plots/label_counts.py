"""How often each class is there, and how often it is said to be."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from eurosat_cls.analysis.plots.style import shortened, tidy
from eurosat_cls.utils.class_colours import class_colours
from eurosat_cls.utils.figures import new_figure

_IN_COLUMN = 20  # classes


def draw_label_counts(true: np.ndarray, predicted: np.ndarray, class_names: Sequence[str], note: str = "") -> Figure:
    """Draw two bars for each class in its colour; the number is what was predicted too often or too rarely.

    ``true`` are the ``[K]`` patches of each class, ``predicted`` those that were taken for it.
    """
    count = len(true)
    columns = -(-count // _IN_COLUMN)
    length = -(-count // columns)
    width = 3.4 + 0.075 * max(len(shortened(name)) for name in class_names)
    size = max(columns * width, 6.5), length * 0.34 + 1.5
    figure = new_figure(*size, "Labels, true and predicted", f"{note}; number: predicted less true")
    colours = class_colours(class_names)
    most = max(float(true.max()), float(predicted.max()), 1.0)
    for column in range(columns):
        shown = slice(column * length, (column + 1) * length)
        place = np.arange(len(true[shown]))
        axes = figure.add_subplot(1, columns, column + 1)
        axes.barh(place - 0.19, true[shown], 0.36, color=colours[shown])
        axes.barh(place + 0.19, predicted[shown], 0.36, color="none", edgecolor=colours[shown], hatch="/////")
        for y, (a, b) in enumerate(zip(true[shown].tolist(), predicted[shown].tolist(), strict=True)):
            axes.text(max(a, b) + 0.015 * most, y, f"{b - a:+,d}" if a != b else "0", va="center", fontsize=7.5)
        axes.set_yticks(place, [shortened(name) for name in class_names[shown]], fontsize=8)
        axes.set_xlim(0, most * 1.13)
        axes.set_ylim(length - 0.5, -0.5)
        axes.set_xlabel("patches", fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        tidy(axes)
        axes.tick_params(axis="y", length=0, labelsize=8)
    handles = Patch(color="#777777", label="true"), Patch(fc="none", ec="#777777", hatch="/////", label="predicted")
    figure.axes[0].legend(handles=handles, frameon=False, fontsize=8, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    return figure
