"""How far probabilities can be taken at their word."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eurosat_cls.analysis.calibration import BINS, Reliability
from eurosat_cls.analysis.plots.style import BLUE, ORANGE, tidy
from eurosat_cls.utils.figures import new_figure

FEW = 10  # probabilities in a bin, below which its share says little


def draw_calibration(
    before: Reliability, after: Reliability, temperature: float, words: tuple[str, str], note: str = ""
) -> Figure:
    """Draw the share that came true over the predicted probability, and how often each probability was predicted.

    ``after`` is at the temperature. The ``words`` for the axes say what is probable, such as ``the predicted class``,
    and when it comes true, such as ``where it is right``.
    """
    figure = new_figure(6.6, 6.8, "Reliability of probabilities", f"{note}; {BINS} bins of equal width")
    upper, lower = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    upper.plot([0, 1], [0, 1], color="#999999", linestyle="--", linewidth=1, label="perfect calibration")
    for found, colour, mark, width, name in (
        (before, ORANGE, "o", 3.2, "without temperature"), (after, BLUE, "s", 1.4, f"temperature {temperature:.3f}")
    ):  # fmt: skip
        figures = f"calibration error {found.error:.4f}, Brier score {found.brier:.4f}, NLL {found.nll:.4f}"
        _draw_shares(upper, found, colour, mark, f"{name}: {figures}")
        edges = np.linspace(0, 1, BINS + 1)
        lower.stairs(found.count.numpy(), edges, color=colour, linewidth=width)
    upper.set_ylabel(f"share {words[1]}", fontsize=9)
    upper.set_xlim(-0.01, 1.01)
    upper.set_ylim(-0.02, 1.02)
    upper.grid(color="#EEEEEE")
    upper.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(-0.01, 1), borderaxespad=0.2)
    lower.set_yscale("symlog", linthresh=1)
    lower.set_ylabel("how often", fontsize=9)
    lower.set_xlabel(f"probability of {words[0]} (hollow: fewer than {FEW} cases in the bin)", fontsize=9)
    for axes in (upper, lower):
        tidy(axes)
    return figure


def _draw_shares(axes: Axes, found: Reliability, colour: str, mark: str, label: str) -> None:
    count, x, y = found.count.numpy(), found.predicted.numpy(), found.true.numpy()
    there = count > 0
    axes.plot(x[there], y[there], color=colour, linewidth=1.4, zorder=2)
    axes.plot([], [], color=colour, marker=mark, markersize=5, linewidth=1.4, label=label)
    for some, face in ((there & (count >= FEW), colour), (there & (count < FEW), "white")):
        axes.scatter(x[some], y[some], s=30, marker=mark, facecolor=face, edgecolor=colour, zorder=3, clip_on=False)
