"""Charts: nothing is cut off, overlaps or is left out in silence."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from eurosat_cls.analysis.plots.classes import draw_classes
from eurosat_cls.analysis.plots.histograms import draw_histograms
from eurosat_cls.analysis.plots.spectra import draw_spectra
from eurosat_cls.analysis.plots.style import most_frequent
from eurosat_cls.data.counts import BINS, PERCENTILES
from eurosat_cls.data.sentinel2 import BANDS, wavelengths
from eurosat_cls.data.statistics import Statistics


def statistics(bands: list[str], classes: int, dtype: str = "uint16") -> Statistics:
    generator, c = np.random.default_rng(0), len(bands)
    values = np.sort(generator.integers(0, 4000, (c, 5000)), axis=1)
    edges = np.linspace(values.min(1), values.max(1), BINS + 1, axis=1)
    histogram = np.array([np.histogram(v, e)[0] for v, e in zip(values, edges, strict=True)])
    return Statistics(
        bands, dtype, 100, values.mean(1), values.std(1), values.min(1), values.max(1), values.std(1),
        np.percentile(values, (1, 25, 50, 75, 99), axis=1).T,
        np.percentile(values, PERCENTILES, axis=1).T, edges, histogram, np.arange(classes) + 10,
        generator.uniform(500, 3000, (classes, c)), generator.uniform(50, 300, (classes, c)),
    )  # fmt: skip


def pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]


def assert_whole(figure: Figure) -> None:
    """Nothing is drawn over the edges, and there is something."""
    image = pixels(figure).astype(int)
    for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
        assert (edge == 255).all()
    assert (image < 128).any(axis=2).mean() > 0.005


def names(count: int) -> list[str]:
    return [f"HerbaceousVegetation{k}" for k in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 10, 100])
def test_classes(classes: int) -> None:
    counts = {
        part: [100 * share + k for k in range(classes)] for part, share in (("train", 6), ("val", 2), ("test", 2))
    }
    figure = draw_classes(counts, names(classes), "a note")
    assert_whole(figure)
    labels = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == min(classes, 40)
    assert all(above.y0 >= below.y1 - 1 for above, below in pairwise(labels))
    noted = " ".join(text.get_text() for text in figure.texts)
    assert ("20 largest and smallest of 100" in noted) == (classes == 100)
    assert figure.get_size_inches()[1] < 14


@pytest.mark.slow
@pytest.mark.parametrize("bands", [1, 3, 13, 40])
def test_histograms(bands: int) -> None:
    figure = draw_histograms(statistics([f"b{c}" for c in range(bands)], 2), [f"b{c}" for c in range(bands)])
    assert_whole(figure)
    assert len(figure.axes) == min(bands, 24)
    assert {axes.get_xlabel() for axes in figure.axes} == {"digital number"}
    noted = " ".join(text.get_text() for text in figure.texts)
    assert ("the first 24 of 40 bands" in noted) == (bands == 40)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [1, 10, 100])
@pytest.mark.parametrize("bands", [["B04", "B03", "B02"], list(BANDS), ["VV", "VH"], [f"b{c}" for c in range(20)]])
def test_spectra(bands: list[str], classes: int) -> None:
    spectral = set(bands) <= set(BANDS)
    figure = draw_spectra(statistics(bands, classes), names(classes), wavelengths(bands) if spectral else None, "note")
    assert_whole(figure)
    assert len(figure.axes) == 1 + min(classes, 20)
    noted = " ".join(text.get_text() for text in figure.texts)
    assert ("20 of 100 classes" in noted) == (classes == 100)


def test_spectra_are_drawn_in_the_order_of_wavelengths() -> None:
    found = statistics(list(BANDS), 3)
    overview = draw_spectra(found, names(3), wavelengths(BANDS)).axes[0]
    line = overview.lines[0]
    x, y = np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
    assert (np.diff(x) > 0).all()
    assert y[8] == found.class_mean[0, BANDS.index("B8A")]
    assert overview.get_xlabel() == "centre wavelength (nm)"
    assert overview.get_ylabel() == "mean (digital number)"


def test_most_frequent_keeps_the_order_of_classes() -> None:
    assert most_frequent([5, 9, 1, 7], 2) == [1, 3]
    assert most_frequent([5, 9], 5) == [0, 1]
