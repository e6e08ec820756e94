"""From windows to cells: the mean of the probabilities of all windows over a cell."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.work import Work

BLOCK_VALUES = 4_000_000  # float64 sums of a block
BLOCK_PIXELS = 8_000_000  # whose valid ones are counted at once, as int64


class Cells(NamedTuple):
    """Some rows of cells.

    Attributes:
        rows: which of the map.
        probabilities: float32 ``[r, columns, K]``; 0 where there is nothing to say.
        known: bool ``[r, columns]``: a trusted window is over the cell, and a pixel of it is valid.
        pixels: valid pixels of each cell, int64 ``[r, columns]``.
    """

    rows: slice
    probabilities: np.ndarray
    known: np.ndarray
    pixels: np.ndarray


def cells_of(works: Sequence[Work], layout: Layout) -> Iterator[Cells]:
    """Yield the cells of a map from north to south, in blocks that depend on the layout alone.

    Of several dates a cell gets the mean over those that know it; its valid pixels are those of the date that saw most
    of it.
    """
    classes = works[0].probabilities.shape[2]
    together = min(BLOCK_VALUES // (layout.cells[1] * classes), BLOCK_PIXELS // (layout.step * layout.width))
    together = max(1, together)
    for start in range(0, layout.cells[0], together):
        rows = slice(start, min(start + together, layout.cells[0]))
        total = np.zeros((rows.stop - rows.start, layout.cells[1], classes))
        dates = np.zeros(total.shape[:2], np.int64)
        pixels = np.zeros(total.shape[:2], np.int64)
        for work in works:
            mean, known, seen = _cells_of_date(work, layout, rows)
            total += mean
            dates += known
            pixels = np.maximum(pixels, np.where(known, seen, 0))
        total /= np.maximum(dates, 1)[:, :, None]
        yield Cells(rows, total.astype(np.float32), dates > 0, pixels)


def _cells_of_date(work: Work, layout: Layout, rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, last = layout.rows.first[rows], layout.rows.last[rows]
    span = slice(int(first[0]), int(last[-1]) + 1)
    trusted = np.asarray(work.trusted[span], np.float64)
    values = np.asarray(work.probabilities[span], np.float64) * trusted[:, :, None]
    sums = np.concatenate([values, trusted[:, :, None]], axis=2)  # the last one counts windows
    sums = _sum_over(sums, first - span.start, last - span.start, 0)
    sums = _sum_over(sums, layout.columns.first, layout.columns.last, 1)
    count, seen = sums[:, :, -1], valid_pixels(work.valid, layout, rows)
    known = (count > 0) & (seen > 0)
    mean = np.where(known[:, :, None], sums[:, :, :-1] / np.maximum(count, 1)[:, :, None], 0)
    return mean, known, seen


def _sum_over(values: np.ndarray, first: np.ndarray, last: np.ndarray, axis: int) -> np.ndarray:
    """Sum the windows from ``first[i]`` to ``last[i]`` for each cell ``i``, always in this order."""
    shape = [1] * values.ndim
    shape[axis] = len(first)
    total = np.zeros([len(first) if a == axis else n for a, n in enumerate(values.shape)])
    for number in range(int((last - first).max()) + 1):
        place = first + number
        inside = (place <= last).reshape(shape)
        total += values.take(np.minimum(place, last), axis=axis) * inside
    return total


def valid_pixels(bits: np.ndarray, layout: Layout, rows: slice) -> np.ndarray:
    """Count the valid pixels of the cells in some rows, int64 ``[r, columns]``."""
    pixels = slice(int(layout.rows.edges[rows.start]), int(layout.rows.edges[rows.stop]))
    valid = unpack(bits[pixels], layout.width)
    down = np.add.reduceat(valid, layout.rows.edges[rows] - pixels.start, axis=0, dtype=np.int64)
    across: np.ndarray = np.add.reduceat(down, layout.columns.edges[:-1], axis=1)
    return across


def unpack(bits: np.ndarray, width: int) -> np.ndarray:
    """Bits ``[h, width / 8]`` -> uint8 ``[h, width]`` of 0 and 1."""
    return np.unpackbits(np.asarray(bits), axis=1, count=width)
