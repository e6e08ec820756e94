"""How many patches each class has in train, val and test."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from eurosat_cls.analysis.plots.style import PARTS, shortened, tidy
from eurosat_cls.utils.figures import new_figure

MOST_CLASSES = 40


def draw_classes(counts: Mapping[str, Sequence[int]], class_names: Sequence[str], note: str = "") -> Figure:
    """Draw a bar for each class, of more than 40 classes of the 20 largest and the 20 smallest.

    ``counts`` are ``[K]`` patches of each class, in ``train``, ``val`` and ``test``.
    """
    totals = np.sum([counts[part] for part in PARTS], axis=0)
    shown = list(range(len(class_names)))
    if len(shown) > MOST_CLASSES:
        by_size = np.argsort(-totals, kind="stable").tolist()
        shown = by_size[: MOST_CLASSES // 2] + by_size[-MOST_CLASSES // 2 :]
        note = f"{note}{'; ' if note else ''}the {MOST_CLASSES // 2} largest and smallest of {len(class_names)} classes"
    figure = new_figure(9, 0.27 * len(shown) + 1.5, "Patches per class", note)
    axes = figure.add_subplot()
    places = np.arange(len(shown), dtype=float)
    if len(shown) < len(class_names):
        places[len(shown) // 2 :] += 1  # a gap where classes are left out
    start = np.zeros(len(shown))
    for part, colour in PARTS.items():
        length = np.asarray(counts[part])[shown]
        axes.barh(places, length, left=start, color=colour, label=part, height=0.75)
        start += length
    for place, k in zip(places, shown, strict=True):
        numbers = " / ".join(f"{counts[part][k]:,}" for part in PARTS)
        axes.text(totals[k] + totals.max() * 0.01, place, numbers, va="center", fontsize=8)
    axes.set_yticks(places, [shortened(class_names[k]) for k in shown])
    axes.set_ylim(places[-1] + 0.6, -0.6)
    axes.set_xlim(0, max(1, totals.max()) * 1.22)
    axes.set_xlabel("patches (train / val / test)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, fontsize=9)
    tidy(axes)
    return figure
