"""What the training patches of a split look like in numbers: of every band, and of every class in it."""

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from eurosat_cls.data.counts import PERCENTILES, ValueCounts, ValueSample
from eurosat_cls.data.splits import Split
from eurosat_cls.data.store.store import Store, class_counts
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_json
from eurosat_cls.utils.progress import progress

__all__ = ["PERCENTILES", "BandStatistics", "Statistics", "band_statistics", "full_statistics"]

VERSION = 2
PATCH_PERCENTILES = (0, 1, 50, 99, 100)
_EXACT_VALUES = 2**20  # that many squares of 16-bit integers still sum exactly in float64


class BandStatistics(NamedTuple):
    """What a training needs to know of ``C`` bands, in the sensor's unit; all float64.

    Attributes:
        mean: ``[C]``.
        std: ``[C]``, that of the population (divided by n, not n - 1).
        minimum: ``[C]``.
        maximum: ``[C]``.
        patch_std: ``[C]``, the deviation between the means of patches.
        patch_percentiles: ``[C, 5]``, the means of patches at 0, 1, 50, 99 and 100 %.
    """

    mean: np.ndarray
    std: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    patch_std: np.ndarray
    patch_percentiles: np.ndarray


@dataclass(frozen=True)
class Statistics:
    """Statistics of ``C`` bands and ``K`` classes, in the sensor's unit.

    Attributes:
        bands: ``[C]`` names.
        dtype: numpy name of the sensor's dtype.
        patches: how many were looked at.
        mean: float64 ``[C]``.
        std: float64 ``[C]``, that of the population (divided by n, not n - 1).
        minimum: float64 ``[C]``.
        maximum: float64 ``[C]``.
        patch_std: float64 ``[C]``, as in :class:`BandStatistics`.
        patch_percentiles: float64 ``[C, 5]``, likewise.
        percentiles: float64 ``[C, 9]`` of the values at 1, 2, 5, 25, 50, 75, 95, 98 and 99 %, exact for integers of up
            to 16 bits; of others every so many are looked at, a million of each band at most.
        edges: float64 ``[C, 129]`` of the bins of the histograms, which leave out the outermost thousandths.
        histogram: int64 ``[C, 128]``, values in each bin.
        class_patches: int64 ``[K]``; a patch counts in each of its classes.
        class_mean: float64 ``[K, C]``, the mean spectrum of each class; NaN for a class without patches.
        class_std: float64 ``[K, C]``, the spread of its pixels.
    """

    bands: list[str]
    dtype: str
    patches: int
    mean: np.ndarray
    std: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    patch_std: np.ndarray
    patch_percentiles: np.ndarray
    percentiles: np.ndarray
    edges: np.ndarray
    histogram: np.ndarray
    class_patches: np.ndarray
    class_mean: np.ndarray
    class_std: np.ndarray

    def percentile(self, percent: int) -> np.ndarray:
        """Return one of the percentiles, float64 ``[C]``."""
        return self.percentiles[:, PERCENTILES.index(percent)]

    def select(self, channels: list[int]) -> "Statistics":
        """Return the statistics of some bands, in the order given."""
        by_band = (*BandStatistics._fields, "percentiles", "edges", "histogram")
        chosen = {name: getattr(self, name)[channels] for name in by_band}
        by_class = {name: getattr(self, name)[:, channels] for name in ("class_mean", "class_std")}
        return replace(self, bands=[self.bands[c] for c in channels], **chosen, **by_class)

    def plain(self) -> dict[str, Any]:
        """Return lists and numbers, None in the place of NaN."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _plain(value) if isinstance(value, np.ndarray) else value for name, value in values.items()}


def compute_statistics(store: Store, indices: np.ndarray, chunk: int = 64) -> BandStatistics:
    """Compute what a training needs to know of every band.

    Integers of up to 16 bits are summed exactly, so the result depends on neither order nor chunks.

    Raises:
        UserError: when there is no row.
    """
    moments = _Moments(store)
    for _, patches in _stream(store, indices, chunk):
        moments.add(patches)
    return moments.result()


class _Moments:
    """Sums and sums of squares of each band, its extremes, and the means of its patches."""

    def __init__(self, store: Store) -> None:
        dtype, channels = store.images.dtype, store.images.shape[1]
        exact = dtype.kind in "iu" and dtype.itemsize <= 2 and _pixels(store) <= _EXACT_VALUES
        # Python's integers and fractions of them never round; other dtypes keep float64
        self.number = int if exact else float
        self.sums, self.squares = [self.number(0)] * channels, [self.number(0)] * channels
        self.low, self.high = np.full(channels, np.inf), np.full(channels, -np.inf)
        self.patch_means: list[np.ndarray] = []
        self.count = 0

    def add(self, patches: np.ndarray) -> np.ndarray:
        """Add ``[n, C, P]``; return the same as float64."""
        values = patches.astype(np.float64)
        totals = zip(values.sum(axis=(0, 2)), np.einsum("ncp,ncp->c", values, values), strict=True)
        for band, (total, square) in enumerate(totals):
            self.sums[band] += self.number(total)
            self.squares[band] += self.number(square)
        self.count += len(values) * values.shape[2]
        self.low = np.minimum(self.low, patches.min(axis=(0, 2)))
        self.high = np.maximum(self.high, patches.max(axis=(0, 2)))
        self.patch_means.append(values.mean(axis=2))
        return values

    def result(self) -> BandStatistics:
        sums = list(zip(self.sums, self.squares, strict=True))
        mean = np.array([total / self.count for total, _ in sums], dtype=np.float64)
        variance = [(self.count * square - total * total) / self.count**2 for total, square in sums]
        std = np.array([math.sqrt(max(0.0, v)) for v in variance], dtype=np.float64)
        of_patches = np.concatenate(self.patch_means)
        between = np.ascontiguousarray(np.percentile(of_patches, PATCH_PERCENTILES, axis=0).T)
        return BandStatistics(mean, std, self.low, self.high, of_patches.std(axis=0), between)


def band_statistics(store: Store, split: Split) -> BandStatistics:
    """Return the statistics of the bands of the training patches of a split.

    They are remembered in the store's folder for each split. A folder that cannot be written, or a damaged memory,
    costs time and nothing else.

    Raises:
        UserError: when the split has no training patch.
    """
    try:
        memory = _recall(store, split)
        found = BandStatistics(*(np.array(memory[name], dtype=np.float64) for name in BandStatistics._fields))
        if {len(values) for values in found} == {len(store.bands)}:
            return found
    except (OSError, ValueError, KeyError, TypeError):
        pass
    computed = compute_statistics(store, split.train)
    _remember(store, split, {name: values.tolist() for name, values in computed._asdict().items()})
    return computed


def full_statistics(store: Store, split: Split) -> Statistics:
    """Return all statistics of the training patches of a split; remembered as those of :func:`band_statistics` are.

    Raises:
        UserError: when the split has no training patch.
    """
    try:
        found = _from_plain(_recall(store, split), len(store.bands), len(store.class_names))
        if found.bands == store.bands:
            return found
    except (OSError, ValueError, KeyError, TypeError):
        pass
    computed = _compute_all(store, split.train)
    _remember(store, split, computed.plain())
    return computed


def _compute_all(store: Store, indices: np.ndarray) -> Statistics:
    channels, classes = len(store.bands), len(store.class_names)
    dtype = store.images.dtype
    few = dtype.kind in "iu" and dtype.itemsize <= 2
    counts = ValueCounts(channels, dtype) if few else ValueSample(len(indices) * _pixels(store))
    class_sums, class_squares = np.zeros((classes, channels)), np.zeros((classes, channels))
    moments = _Moments(store)
    for part, patches in _stream(store, indices):
        values = moments.add(patches)
        counts.add(patches)
        labels = store.labels[part]
        hot = (labels if labels.ndim == 2 else labels[:, None] == np.arange(classes)).astype(np.float64)  # [n, K]
        class_sums += hot.T @ values.sum(axis=2)
        class_squares += hot.T @ np.einsum("ncp,ncp->nc", values, values)
    edges, histogram = counts.histogram()
    patches_of = np.array(class_counts(store.labels[indices], classes))
    with np.errstate(invalid="ignore"):  # a class without patches has NaN
        pixels = (patches_of * _pixels(store))[:, None]
        class_mean = class_sums / pixels
        class_std = np.sqrt(np.maximum(class_squares / pixels - class_mean**2, 0))
    return Statistics(
        list(store.bands), str(store.images.dtype), len(indices), *moments.result(), counts.percentiles(), edges,
        histogram, patches_of, class_mean, class_std,
    )  # fmt: skip


def _pixels(store: Store) -> int:
    return int(store.images.shape[2] * store.images.shape[3])


def _stream(store: Store, indices: np.ndarray, chunk: int = 64) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield some of the indices and their patches as ``[n, C, P]``."""
    if not len(indices):
        raise UserError("The train part of the split is empty: there are no patches to take statistics of.")
    chunk = max(1, min(chunk, _EXACT_VALUES // _pixels(store)))
    with progress(len(indices), "statistics of the training patches") as advance:
        for start in range(0, len(indices), chunk):
            part = indices[start : start + chunk]
            yield part, store.read(part).reshape(len(part), -1, _pixels(store))
            advance(len(part))


def _path(store: Store, split: Split) -> Path:
    return store.path / f"statistics-{split.sha256}.json"


def _recall(store: Store, split: Split) -> dict[str, Any]:
    memory = json.loads(_path(store, split).read_text(encoding="ascii"))
    if memory["version"] != VERSION:
        raise ValueError
    return dict(memory)


def _remember(store: Store, split: Split, values: dict[str, Any]) -> None:
    with suppress(OSError):
        write_json(_path(store, split), {"version": VERSION, **values})


def _from_plain(memory: dict[str, Any], channels: int, classes: int) -> Statistics:
    values: dict[str, Any] = {}
    for field in fields(Statistics):
        value = memory[field.name]
        kind = np.int64 if field.name in ("histogram", "class_patches") else np.float64
        values[field.name] = np.array(value, dtype=kind) if field.type is np.ndarray else value
    found = Statistics(**values)
    if found.percentiles.shape != (channels, len(PERCENTILES)) or found.class_std.shape != (classes, channels):
        raise ValueError
    return found


def _plain(array: np.ndarray) -> Any:
    if array.dtype.kind != "f":
        return array.tolist()
    plain = array.astype(object)
    plain[np.isnan(array)] = None
    return plain.tolist()
