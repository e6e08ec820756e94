"""Which classes are taken for which."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eurosat_cls.analysis.plots.style import shortened
from eurosat_cls.utils.figures import new_figure

PERCENT_UP_TO, NUMBERS_UP_TO = 14, 40  # classes whose cells have room for a percentage, and for a count
_EACH = ("absent, not predicted", "absent, predicted", "present, missed", "present, predicted")


def draw_confusion(matrix: np.ndarray, class_names: Sequence[str], note: str = "") -> Figure:
    """Draw counts, coloured by the share of their row.

    ``matrix`` is ``[K, K]`` with true classes in rows and predicted ones in columns; where a patch may have several
    labels ``[K, 2, 2]``, of the absence and presence of each: a row for each label, coloured by the share of the
    patches without it, and of those with it.
    """
    names, multilabel = [shortened(name) for name in class_names], matrix.ndim == 3
    whole = "the patches without the label, of those with it" if multilabel else "the row"
    if multilabel:
        matrix, columns, title = matrix.reshape(len(matrix), 4), list(_EACH), "Right and wrong decisions by label"
        totals = matrix[:, [0, 0, 2, 2]] + matrix[:, [1, 1, 3, 3]]
    else:
        columns, title, totals = names, "Confusion matrix", matrix.sum(1, keepdims=True)
    share = matrix / np.maximum(totals, 1)
    rows, count = matrix.shape
    cell = 0.62 if max(rows, count) <= PERCENT_UP_TO else 0.4 if max(rows, count) <= NUMBERS_UP_TO else 0.22
    letters = 0.075 * max(map(len, [*names, *columns]))
    size = (max(count * cell + letters + 1.6, 6.0), max(rows * cell, 1.2) + letters + 1.6)
    figure = new_figure(*size, title, f"{note}{'; ' if note else ''}colour: share of {whole}")
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto" if multilabel else "equal")
    _write_numbers(axes, matrix, share)
    axes.set_xticks(range(count), columns, rotation=0 if multilabel else 90, fontsize=8)
    axes.set_yticks(range(rows), names, fontsize=8)
    if multilabel:
        axes.axvline(1.5, color="white", linewidth=6)
    axes.set_xlabel("" if multilabel else "predicted")
    axes.set_ylabel("label" if multilabel else "true")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _write_numbers(axes: Axes, matrix: np.ndarray, share: np.ndarray) -> None:
    """Counts, with percentages where there is room; nothing for a cell without a case."""
    largest = max(matrix.shape)
    for row, column in zip(*np.nonzero(matrix), strict=True):
        text = f"{matrix[row, column]:,}"
        if largest <= PERCENT_UP_TO:
            percent = 100 * share[row, column]
            text += f"\n{percent:.1f} %" if percent < 99.95 else "\n100 %"
        colour = "white" if share[row, column] > 0.55 else "#222222"
        small = 7.5 if largest <= PERCENT_UP_TO else 6.5 if largest <= NUMBERS_UP_TO else 5
        axes.text(column, row, text, ha="center", va="center", fontsize=small, color=colour)
