"""How much more is right where the doubtful patches are left out."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from eurosat_cls.analysis.plots.style import BLUE, ORANGE, tidy
from eurosat_cls.utils.figures import new_figure


def draw_coverage(curves: Mapping[str, np.ndarray], note: str = "") -> Figure:
    """Draw the accuracy over the share of patches that are answered, a line for each order by which they are.

    ``curves`` hold, by the name of an order, the accuracy ``[n]`` among the first 1 to ``n`` patches.
    """
    figure = new_figure(6.6, 4.4, "Accuracy over coverage", note)
    axes = figure.subplots()
    for (name, accuracy), colour in zip(curves.items(), (BLUE, ORANGE), strict=False):
        count = len(accuracy)
        shown = np.unique(np.linspace(max(1, count // 50), count, 400).astype(int))
        axes.plot(shown / count, accuracy[shown - 1], color=colour, label=f"by {name}, mean {accuracy.mean():.4f}")
    axes.set_xlabel("share of patches that are answered, the most certain ones first", fontsize=9)
    axes.set_ylabel("share of them that is right", fontsize=9)
    axes.set_xlim(0, 1.01)
    axes.grid(color="#EEEEEE")
    axes.legend(frameon=False, fontsize=8)
    tidy(axes)
    return figure
