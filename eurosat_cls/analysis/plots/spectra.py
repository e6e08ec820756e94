"""The mean spectrum of each class, and how far its pixels spread."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eurosat_cls.analysis.plots.style import LIGHT, most_frequent, shortened, tidy, unit_of
from eurosat_cls.data.statistics import Statistics
from eurosat_cls.utils.class_colours import class_colours
from eurosat_cls.utils.figures import new_figure

MOST_CLASSES = 20
_COLUMNS = 5
_MARKERS = "osD^vP"


def draw_spectra(
    statistics: Statistics, class_names: Sequence[str], wavelengths: Sequence[float] | None, note: str = ""
) -> Figure:
    """Draw all mean spectra in one panel, then each class by itself with its spread.

    Of more than 20 classes the 20 with most patches are drawn. ``wavelengths`` are the ``[C]`` centres of the bands in
    nanometres, in any order; where they have none (None), bands stand side by side.
    """
    shown, colours = most_frequent(statistics.class_patches, MOST_CLASSES), class_colours(class_names)
    if len(shown) < len(class_names):
        note = f"{note}; the {len(shown)} of {len(class_names)} classes with most patches"
    x = np.arange(len(statistics.bands), dtype=float) if wavelengths is None else np.array(wavelengths)
    order = np.argsort(x, kind="stable")
    rows = -(-len(shown) // _COLUMNS)
    heights = (4.3, 1.85 * rows + 0.3)
    figure = new_figure(13, sum(heights) + 0.6, "Mean spectrum of each class in the training patches", note)
    above, below = np.ravel(np.asarray(figure.subfigures(2, 1, height_ratios=heights)))
    axes = above.add_subplot()
    for number, k in enumerate(shown):
        axes.plot(
            x[order], statistics.class_mean[k, order], color=colours[k], label=shortened(class_names[k]),
            marker=_MARKERS[number % len(_MARKERS)], markersize=5,
        )  # fmt: skip
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    axes.set_ylabel(f"mean ({unit_of(statistics.dtype)})", fontsize=9)
    _name_bands(axes, x[order], [statistics.bands[c] for c in order], wavelengths is not None)
    all_axes = below.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    for number, axes in enumerate(all_axes.flat):
        if number >= len(shown):
            axes.remove()
            continue
        k = shown[number]
        _draw_class(axes, x[order], statistics, order, shown, k, colours[k])
        axes.set_title(shortened(class_names[k]), fontsize=10, loc="left")
        if wavelengths is None:
            axes.set_xticks([])
        axes.tick_params(labelbottom=number + _COLUMNS >= len(shown))
    label = f"mean and standard deviation of the pixels ({unit_of(statistics.dtype)})"
    below.supylabel(label if rows > 1 else "mean and std", fontsize=9)
    below.supxlabel("" if wavelengths is None else "centre wavelength (nm)", fontsize=9)
    return figure


def _draw_class(
    axes: Axes, x: np.ndarray, statistics: Statistics, order: np.ndarray, shown: list[int], k: int, colour: str
) -> None:
    """Draw one class with its spread, and the others thinly behind it."""
    mean, std = (values[k, order] for values in (statistics.class_mean, statistics.class_std))
    axes.plot(x, statistics.class_mean[shown][:, order].T, color=LIGHT, linewidth=0.8)
    axes.fill_between(x, mean - std, mean + std, color=colour, alpha=0.25, linewidth=0)
    axes.plot(x, mean, color=colour, marker=".")
    tidy(axes)


def _name_bands(axes: Axes, x: np.ndarray, names: Sequence[str], spectral: bool) -> None:
    """Write each band's name at its place: above the panel for wavelengths, below it otherwise."""
    tidy(axes)
    if not spectral:
        axes.set_xticks(x, [shortened(name, 16) for name in names], rotation=90 if len(names) > 10 else 0)
        return
    axes.set_xlabel("centre wavelength (nm)", fontsize=9)
    above = axes.secondary_xaxis("top")
    above.set_xticks(x, names, rotation=90, fontsize=8)
    for place in x:
        axes.axvline(place, color=LIGHT, linewidth=0.6, zorder=0)
