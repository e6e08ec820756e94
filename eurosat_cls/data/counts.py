"""Count the values of every band while they stream by: percentiles and histograms without holding them."""

import numpy as np

PERCENTILES = (1, 2, 5, 25, 50, 75, 95, 98, 99)
BINS = 128
_KEYS = 2**16
_SHOWN = (0.1, 99.9)  # percent; a histogram leaves out what lies further out


class ValueCounts:
    """Count the values of each band, exactly.

    Integers of up to 16 bits are counted one by one. Other dtypes are taken as float32, and their first and last 16
    bits are counted in two readings: all values go to :meth:`add` and, where :attr:`twice`, then to :meth:`refine`.

    Args:
        channels: ``C``.
        dtype: of the values.
    """

    def __init__(self, channels: int, dtype: np.dtype) -> None:
        self.twice = dtype.kind not in "iu" or dtype.itemsize > 2
        self.lowest = 0 if self.twice else int(np.iinfo(dtype).min)
        self.counts = np.zeros((channels, _KEYS), dtype=np.int64)  # by the values, or by the first half of their bits
        self._fine: list[np.ndarray] = []
        self._buckets: list[np.ndarray] = []
        self._edges = np.empty((channels, BINS + 1))
        self._histogram = np.zeros((channels, BINS), dtype=np.int64)

    def add(self, values: np.ndarray) -> None:
        """Count ``[n, C, P]`` values."""
        for band in range(values.shape[1]):
            one = values[:, band].ravel()
            keys = _ordered_bits(one) >> 16 if self.twice else one.astype(np.int64) - self.lowest
            self.counts[band] += np.bincount(keys, minlength=_KEYS)

    def refine(self, values: np.ndarray) -> None:
        """Count ``[n, C, P]`` values again, now by the rest of their bits where a percentile lies, and in bins."""
        if not self._fine:
            self._prepare()
        for band in range(values.shape[1]):
            one = values[:, band].ravel()
            bits = _ordered_bits(one)
            buckets = self._buckets[band]
            place = np.searchsorted(buckets, bits >> 16).clip(max=len(buckets) - 1)
            inside = buckets[place] == bits >> 16
            keys = place[inside] * _KEYS + (bits[inside] & 0xFFFF)
            self._fine[band] += np.bincount(keys, minlength=self._fine[band].size).reshape(-1, _KEYS)
            low, high = self._edges[band, [0, -1]]
            self._histogram[band] += np.histogram(one, BINS, (low, high))[0]

    def percentiles(self) -> np.ndarray:
        """Return float64 ``[C, 9]``, the :data:`PERCENTILES` with numpy's linear interpolation."""
        return np.array([self._band_percentiles(band) for band in range(len(self.counts))])

    def histogram(self) -> tuple[np.ndarray, np.ndarray]:
        """Return edges ``[C, BINS + 1]`` and counts ``[C, BINS]`` between the outermost thousandths of the values.

        Bins of integers are whole numbers wide, so that each takes the same number of values.
        """
        if self.twice:
            return self._edges, self._histogram
        edges, histogram = np.empty((len(self.counts), BINS + 1)), np.empty((len(self.counts), BINS), dtype=np.int64)
        for band, counts in enumerate(self.counts):
            first, last = _at_ranks(counts, _rank(counts.sum(), np.array(_SHOWN)).round())
            width = int(last - first) // BINS + 1
            shown = np.zeros(BINS * width, dtype=np.int64)
            shown[: _KEYS - first] = counts[first : first + BINS * width]
            histogram[band] = shown.reshape(BINS, width).sum(1)
            edges[band] = self.lowest + first - 0.5 + width * np.arange(BINS + 1)
        return edges, histogram

    def _prepare(self) -> None:
        for band, counts in enumerate(self.counts):
            buckets = np.unique(_at_ranks(counts, _neighbours(counts.sum())[0]))
            self._buckets.append(buckets)
            self._fine.append(np.zeros((len(buckets), _KEYS), dtype=np.int64))
            first, last = _at_ranks(counts, _rank(counts.sum(), np.array(_SHOWN)).round())
            low, high = _from_ordered_bits(np.array([first << 16, (last << 16) + 0xFFFF]))
            self._edges[band] = np.linspace(low, high if high > low else low + 1, BINS + 1)

    def _band_percentiles(self, band: int) -> np.ndarray:
        counts = self.counts[band]
        ranks, share = _neighbours(counts.sum())
        if not self.twice:
            values = (_at_ranks(counts, ranks) + self.lowest).astype(np.float64)
        else:
            buckets = _at_ranks(counts, ranks)
            before = np.cumsum(counts)[buckets] - counts[buckets]
            rows = np.searchsorted(self._buckets[band], buckets)
            rest = [int(_at_ranks(self._fine[band][row], rank)) for row, rank in zip(rows, ranks - before, strict=True)]
            values = _from_ordered_bits((buckets << 16) + np.array(rest)).astype(np.float64)
        low, high = values.reshape(2, -1)
        between: np.ndarray = low + (high - low) * share
        return between


def _rank(count: int, percent: np.ndarray) -> np.ndarray:
    ranks: np.ndarray = percent / 100 * (count - 1)
    return ranks


def _neighbours(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Ranks ``[18]`` below and above each percentile, and how far ``[9]`` it lies between them."""
    exact = _rank(count, np.array(PERCENTILES))
    below = np.floor(exact).astype(np.int64)
    return np.concatenate([below, np.minimum(below + 1, count - 1)]), exact - below


def _at_ranks(counts: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Keys of the values that have these ranks, from 0, among those that were counted."""
    return np.searchsorted(np.cumsum(counts), ranks, side="right")


def _ordered_bits(values: np.ndarray) -> np.ndarray:
    """Int64 of 32 bits that are ordered as the float32 values are."""
    bits = values.astype(np.float32).view(np.uint32).astype(np.int64)
    return np.where(bits >> 31, 0xFFFFFFFF - bits, bits + 0x80000000)


def _from_ordered_bits(bits: np.ndarray) -> np.ndarray:
    restored = np.where(bits >> 31, bits - 0x80000000, 0xFFFFFFFF - bits)
    return restored.astype(np.uint32).view(np.float32)
