"""How the values of each band are distributed."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from eurosat_cls.analysis.plots.style import BLUE, VERMILION, panels, tidy, unit_of
from eurosat_cls.data.statistics import Statistics

MOST_BANDS = 24


def draw_histograms(statistics: Statistics, titles: Sequence[str], note: str = "") -> Figure:
    """Draw a panel for each of the first 24 bands, called by their titles, with its median and its middle 96 %."""
    note = f"{note}{'; ' if note else ''}line: median, shaded: 2nd to 98th percentile"
    count = min(len(statistics.bands), MOST_BANDS)
    if count < len(statistics.bands):
        note = f"{note}; the first {count} of {len(statistics.bands)} bands"
    title = "Values of the training patches by band"
    figure, all_axes = panels(count, 4 if count > 3 else 3, title, note, (3.1, 2.2))
    for band, axes in enumerate(all_axes):
        counts, edges = statistics.histogram[band], statistics.edges[band]
        last = int(counts.nonzero()[0].max(initial=0)) + 1
        width = edges[1] - edges[0]
        share = 100 * counts[:last] / max(1, counts.sum()) / width
        axes.stairs(share, edges[: last + 1], fill=True, color=BLUE, alpha=0.75)
        low, median, high = (statistics.percentile(percent)[band] for percent in (2, 50, 98))
        axes.axvline(median, color=VERMILION, linewidth=1.5)
        axes.axvspan(low, high, color=VERMILION, alpha=0.08, linewidth=0)
        axes.set_title(titles[band], fontsize=10, loc="left")
        axes.set_title(f"median {median:.4g}", fontsize=9, loc="right", color=VERMILION)
        axes.set_ylim(0)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(unit_of(statistics.dtype), fontsize=9)
        if band % (4 if count > 3 else 3) == 0:
            axes.set_ylabel("share of pixels", fontsize=9)
        tidy(axes)
        axes.spines["left"].set_visible(False)
    return figure
