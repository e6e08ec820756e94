"""How each class fares over a training."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eurosat_cls.analysis.plots.class_list import draw_lines, lines_and_list


def draw_class_scores(epochs: Sequence[int], f1: np.ndarray, class_names: Sequence[str], note: str = "") -> Figure:
    """Draw the F1 score of each class over the epochs, and list that of the last one.

    Args:
        epochs: ``[E]``, rising; at least one.
        f1: ``[E, K]`` within [0, 1]; NaN where a class has none.
        class_names: ``[K]`` names.
        note: line below the headline.
    """
    title, label = "F1 score of each class on the validation patches", f"F1 score, epoch {epochs[-1]}"
    mark = "o" if len(epochs) < 20 else None
    # Poor beginnings must not press together what follows.
    lowest = float(np.nanmin(f1[len(f1) // 4 :], initial=1.0))
    bottom = max(np.floor(lowest * 10 - 0.5) / 10, 0)
    figure, axes, colours = lines_and_list(f1[-1], class_names, title, note, label)
    draw_lines(axes, [(np.asarray(epochs), f1[:, k]) for k in range(f1.shape[1])], colours, mark=mark)
    axes.set_xlabel("epoch", fontsize=9)
    axes.set_ylabel("F1 score", fontsize=9)
    axes.set_ylim(bottom - 0.02 * (1 - bottom), 1 + 0.02 * (1 - bottom))
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color="#EEEEEE")
    return figure
