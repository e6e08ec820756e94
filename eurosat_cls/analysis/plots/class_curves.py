"""What a threshold costs: precision against recall, and hits against false alarms."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eurosat_cls.analysis.plots.class_list import draw_lines, lines_and_list
from eurosat_cls.analysis.plots.style import LIGHT
from eurosat_cls.analysis.ranking import Ranking

_CORNERS = (0.9, 0.8)  # where axes may begin, when all that happens is beyond


def draw_precision_recall(
    rankings: Sequence[Ranking], class_names: Sequence[str], note: str = "", positive: bool = False
) -> Figure:
    """Draw precision over recall of each class against all others, and list the average precision.

    A class without patches has no curve. ``positive``: these are of the second class of two, alone.
    """
    curves = [_precision_by_recall(ranking) for ranking in rankings]
    # Where both are equal, about: what lies beyond is what a person would choose from.
    balanced = [float(np.minimum(x, y).max()) for (x, y), r in zip(curves, rankings, strict=True) if r.positives]
    start = _corner(min(balanced, default=0.0))
    values = np.array([ranking.average_precision for ranking in rankings])
    title, label = "Precision and recall of each class", "average precision"
    figure = _draw(title, label, curves, values, class_names, note, start, positive)
    axes = figure.axes[-1]
    axes.set_xlabel("recall", fontsize=9)
    axes.set_ylabel("precision", fontsize=9)
    axes.set_xlim(start - 0.01 * (1 - start), 1 + 0.01 * (1 - start))
    axes.set_ylim(start - 0.01 * (1 - start), 1 + 0.01 * (1 - start))
    return figure


def draw_roc(rankings: Sequence[Ranking], class_names: Sequence[str], note: str = "", positive: bool = False) -> Figure:
    """Draw the true positive rate over the false positive rate of each class, and list the area below the curve.

    A class that no patch or every patch belongs to has no curve; ``positive`` as for precision and recall.
    """
    curves = [(np.append(0.0, r.false_positive_rate), np.append(0.0, r.recall)) for r in rankings]
    balanced = [
        float(np.minimum(1 - x, y).max())
        for (x, y), r in zip(curves, rankings, strict=True)
        if r.positives and r.negatives
    ]
    start = _corner(min(balanced, default=0.0))
    values = np.array([ranking.area for ranking in rankings])
    title, label = "Receiver operating characteristic of each class", "area under the curve"
    figure = _draw(title, label, curves, values, class_names, note, start, positive)
    axes = figure.axes[-1]
    if start == 0:
        axes.plot([0, 1], [0, 1], color=LIGHT, linestyle="--", linewidth=1, zorder=0)
    axes.set_xlabel("false positive rate", fontsize=9)
    axes.set_ylabel("true positive rate", fontsize=9)
    axes.set_xlim(-0.01 * (1 - start), (1 - start) * 1.01)
    axes.set_ylim(start - 0.01 * (1 - start), 1 + 0.01 * (1 - start))
    return figure


def _precision_by_recall(ranking: Ranking) -> tuple[np.ndarray, np.ndarray]:
    """Return recall and precision where the recall rises; false alarms between lower the precision at the next rise."""
    rises = np.diff(ranking.found, prepend=0) > 0
    precision = ranking.precision[rises]
    return np.append(0.0, ranking.recall[rises]), np.append(precision[:1].max(initial=0.0), precision)


def _draw(
    title: str,
    label: str,
    curves: Sequence[tuple[np.ndarray, np.ndarray]],
    values: np.ndarray,
    class_names: Sequence[str],
    note: str,
    start: float,
    positive: bool,
) -> Figure:
    if start:
        note += f"{'; ' if note else ''}axes show the corner from {start:g}"
    figure, axes, colours = lines_and_list(values, class_names, title, note, label, positive)
    nothing = np.empty(0)
    curves = [(nothing, nothing) if np.isnan(value) else curve for curve, value in zip(curves, values, strict=True)]
    draw_lines(axes, curves, colours, steps="recall" in title)
    axes.grid(color="#EEEEEE")
    return figure


def _corner(lowest: float) -> float:
    """Where axes begin so that the most balanced point of every class is in its upper half."""
    return next((start for start in _CORNERS if lowest > start + 0.5 * (1 - start)), 0.0)


def draw_class_scores(epochs: Sequence[int], f1: np.ndarray, class_names: Sequence[str], note: str = "") -> Figure:
    """Draw the F1 score ``[E, K]`` of each class over the epochs (NaN: none), and list that of the last one."""
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
