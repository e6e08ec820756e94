"""Percentiles and histograms of the values of every band while they stream by."""

import numpy as np

PERCENTILES = (1, 2, 5, 25, 50, 75, 95, 98, 99)
BINS = 128
SAMPLED = 2**20  # values of a band that are kept, at most
_SHOWN = (0.1, 99.9)  # percent; a histogram leaves out what lies further out


class ValueCounts:
    """Count integers of up to 16 bits one by one.

    Args:
        channels: ``C``.
        dtype: of the values.
    """

    def __init__(self, channels: int, dtype: np.dtype) -> None:
        limits = np.iinfo(dtype)
        self.lowest, self.keys = int(limits.min), int(limits.max) - int(limits.min) + 1
        self.counts = np.zeros((channels, self.keys), dtype=np.int64)

    def add(self, values: np.ndarray) -> None:
        """Count ``[n, C, P]`` values."""
        for band in range(values.shape[1]):
            keys = values[:, band].ravel().astype(np.int64) - self.lowest
            self.counts[band] += np.bincount(keys, minlength=self.keys)

    def percentiles(self) -> np.ndarray:
        """Return float64 ``[C, 9]``, the :data:`PERCENTILES` with numpy's linear interpolation."""
        ranks = np.array(PERCENTILES) / 100 * (self.counts[0].sum() - 1)
        below, above = (self._at_ranks(round_(ranks)) for round_ in (np.floor, np.ceil))
        found: np.ndarray = below + (above - below) * (ranks % 1) + self.lowest
        return found

    def histogram(self) -> tuple[np.ndarray, np.ndarray]:
        """Return edges ``[C, BINS + 1]`` and counts ``[C, BINS]`` between the outermost thousandths of the values.

        Bins are whole numbers wide, so that each takes the same number of values.
        """
        edges, histogram = np.empty((len(self.counts), BINS + 1)), np.empty((len(self.counts), BINS), dtype=np.int64)
        ends = self._at_ranks((np.array(_SHOWN) / 100 * (self.counts[0].sum() - 1)).round())
        for band, (first, last) in enumerate(ends):
            width = int(last - first) // BINS + 1
            shown = np.zeros(BINS * width, dtype=np.int64)
            shown[: self.keys - first] = self.counts[band, first : first + BINS * width]
            histogram[band] = shown.reshape(BINS, width).sum(1)
            edges[band] = self.lowest + first - 0.5 + width * np.arange(BINS + 1)
        return edges, histogram

    def _at_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """Keys ``[C, r]`` of the values that have these ranks, from 0."""
        return np.array([np.searchsorted(np.cumsum(counts), ranks, side="right") for counts in self.counts])


class ValueSample:
    """Keep every so many of the values, as float32, where there are too many different ones to count.

    Args:
        values: how many there are of each band; up to :data:`SAMPLED` all are kept.
    """

    def __init__(self, values: int) -> None:
        self.step = -(-values // SAMPLED) | 1  # odd, so that it is not the same column of every patch
        self._seen = 0
        self._kept: list[np.ndarray] = []

    def add(self, values: np.ndarray) -> None:
        """Keep some of ``[n, C, P]`` values."""
        by_band = values.swapaxes(0, 1).reshape(values.shape[1], -1)
        self._kept.append(by_band[:, -self._seen % self.step :: self.step].astype(np.float32))
        self._seen += by_band.shape[1]

    def percentiles(self) -> np.ndarray:
        """As :meth:`ValueCounts.percentiles`."""
        found: np.ndarray = np.asarray(np.percentile(self._values(), PERCENTILES, axis=1))
        return np.ascontiguousarray(found.T)

    def histogram(self) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`ValueCounts.histogram`, with bins of any width; each value that was kept stands for others."""
        values = self._values()
        low, high = np.percentile(values, _SHOWN, axis=1)
        edges = np.linspace(low, np.where(high > low, high, low + 1), BINS + 1, axis=1)
        counts = [np.histogram(band, bins)[0] for band, bins in zip(values, edges, strict=True)]
        return edges, np.array(counts) * self.step

    def _values(self) -> np.ndarray:
        return np.concatenate(self._kept, axis=1).astype(np.float64)
