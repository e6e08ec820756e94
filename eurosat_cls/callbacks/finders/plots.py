"""What the finders of learning rate and batch size have measured."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from eurosat_cls.analysis.plots.style import BLUE, LIGHT, ORANGE, VERMILION, tidy
from eurosat_cls.utils.figures import new_figure

if TYPE_CHECKING:
    from eurosat_cls.callbacks.finders.batch_sizes import BatchSizes
    from eurosat_cls.callbacks.finders.learning_rate_range import RangeTest


def draw_range_test(found: "RangeTest", suggestion: float | None) -> Figure:
    """Draw loss by learning rate, each step's and smoothed, with the suggestion (steepest or highest) marked.

    The axis of losses ends a little above the smoothed loss at the start, so that divergence does not flatten the rest.
    """
    note = "no suggestion: the loss did not fall" if suggestion is None else f"suggestion {suggestion:g}"
    figure = new_figure(7.5, 4.6, "Learning-rate range test", f"{note}; {len(found.rates)} steps")
    axes = figure.add_subplot()
    axes.plot(found.rates, found.losses, ".", color=LIGHT, markersize=4, label="loss of a step")
    axes.plot(found.rates, found.smoothed, color=BLUE, linewidth=2, label="smoothed")
    low, start = float(found.smoothed.min()), float(found.smoothed[0])
    usual = [loss for loss in found.losses if loss <= max(start * 1.5, low)]
    axes.set_ylim(
        min(low, min(usual)) - 0.08 * (start - low), max(max(usual), start) + 0.35 * max(start - low, 0.1 * start)
    )
    axes.set_xscale("log")
    axes.plot(
        found.lowest, low, "o", markersize=7, color=BLUE, markerfacecolor="none", label=f"lowest, at {found.lowest:.2g}"
    )
    for rate, name in ((found.steepest, "steepest descent"), (found.highest, "upper end")):
        if rate is None:
            continue
        height = float(np.interp(np.log(rate), np.log(found.rates), found.smoothed))
        chosen = rate == suggestion
        label, filling = f"{name}, at {rate:g}" + (": suggested" if chosen else ""), VERMILION if chosen else "none"
        axes.plot(rate, height, "D", color=VERMILION, markersize=8, markerfacecolor=filling, label=label)
        if chosen:
            axes.axvline(rate, color=VERMILION, linewidth=1, linestyle="--", zorder=0)
    axes.set_xlabel("learning rate", fontsize=9)
    axes.set_ylabel("training loss", fontsize=9)
    axes.legend(frameon=False, fontsize=9, loc="lower left")
    tidy(axes)
    return figure


def draw_batch_sizes(found: "BatchSizes", present: int, device: str) -> Figure:
    """Draw images per second and memory by batch size, with the recommendation marked.

    Args:
        found: what was measured.
        present: the batch size of the configuration.
        device: ``cpu`` or ``cuda``, for the name of the memory.
    """
    title = f"recommended {found.recommended}, largest {found.largest}: {found.ended}"
    figure = new_figure(7.5, 5.4, "Training rate by batch size", title)
    rates, memory = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    sizes = [trial.batch_size for trial in found.trials]
    rates.plot(sizes, [trial.images_per_second for trial in found.trials], "o-", color=BLUE, markersize=4)
    memory.plot(sizes, [trial.memory / 2**30 for trial in found.trials], "o-", color=ORANGE, markersize=4)
    marked = next(trial for trial in found.trials if trial.batch_size == found.recommended)
    rates.plot(
        marked.batch_size, marked.images_per_second, "D", color=VERMILION, markersize=8,
        label=f"recommended: {marked.batch_size}, {marked.images_per_second:.0f} images/s",
    )  # fmt: skip
    if sizes[0] <= present <= sizes[-1]:
        for place in (rates, memory):
            place.axvline(present, color=LIGHT, linestyle="--", linewidth=1, zorder=0, label=f"configured: {present}")
    rates.set_ylabel("images per second", fontsize=9)
    memory.set_ylabel("peak memory of\n" + ("tensors, GiB" if device == "cuda" else "the process, GiB"), fontsize=9)
    memory.set_xlabel("batch size", fontsize=9)
    rates.legend(frameon=False, fontsize=9, loc="lower right")
    for place in (rates, memory):
        _powers(place, sizes)
    return figure


def _powers(axes: Axes, sizes: list[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, 1.12 * axes.dataLim.ymax)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sizes, [str(size) for size in sizes])
    tidy(axes)
