"""From pixels of 20 and 60 m to those of 10 m, so that any window gets what the whole would.

EuroSAT's bands of 20 and 60 m "were brought to 10 m by cubic-spline interpolation" (phelber/EuroSAT issue 5). Its
patches bear that out: of 40 patches, least squares explain B05, B8A and B11 as a cubic B-spline down to 0.29 digital
numbers, which is their rounding, and as a bilinear or cubic interpolation down to 4 to 11. The spline's coefficients
are the coarse pixels themselves (in 60 m bands they lie nearer to whole numbers than chance allows): it smooths a
little, as GDAL's ``cubicspline`` does.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

Window = tuple[slice, slice]
_MARGIN = 2  # coarse pixels on each side that a fine one depends on
_ROWS, _COLUMNS = 4, 8192  # coarse pixels at a time, so few that BLAS does not share a product among threads


def read_coarse(
    read: Callable[[Window], tuple[np.ndarray, np.ndarray]],
    shape: tuple[int, int],
    factor: int,
    rows: slice,
    cols: slice,
) -> tuple[np.ndarray, np.ndarray]:
    """Read a window of a coarse band in fine pixels.

    Args:
        read: takes rows and columns in coarse pixels; returns values ``[1, h, w]`` and their validity ``[h, w]``.
        shape: coarse rows and columns there are.
        factor: fine pixels along a coarse one.
        rows: ``h`` rows in fine pixels.
        cols: ``w`` columns in fine pixels.

    Returns:
        Values ``[h, w]`` in the dtype read, and bool ``[h, w]``: whether the coarse pixel there is valid. Pixels that
        are not valid, or beyond the edge, have no part in the values of others.
    """
    spans = [(part.start // factor - _MARGIN, (part.stop - 1) // factor + 1 + _MARGIN) for part in (rows, cols)]
    inside = [slice(max(first, 0), min(last, size)) for (first, last), size in zip(spans, shape)]
    read_values, read_valid = read((inside[0], inside[1]))
    around = [(part.start - first, last - part.stop) for (first, last), part in zip(spans, inside)]
    valid = np.pad(read_valid, around)
    crop = tuple(slice(p.start % factor, p.start % factor + p.stop - p.start) for p in (rows, cols))
    spline = _enlarge(np.where(valid, np.pad(read_values[0], around), 0), factor)[crop]
    # Where all is valid but what lies beyond the edge, the weights are products of those along rows and columns.
    lines = (valid.any(1, keepdims=True), valid.any(0, keepdims=True))
    weight = (
        _along_rows(lines[0].astype(float), factor) * _along_rows(lines[1].T.astype(float), factor).T
        if read_valid.all()
        else _enlarge(valid, factor)
    )[crop]
    np.divide(spline, weight, out=spline, where=weight > 0)
    if read_values.dtype.kind in "iu":
        np.rint(spline, out=spline)
    inner = valid[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN].repeat(factor, 0).repeat(factor, 1)
    return spline.astype(read_values.dtype), inner[crop]


def _enlarge(values: np.ndarray, factor: int) -> np.ndarray:
    """Sum with the integer weights in both directions: ``[h + 4, w + 4]`` -> float64 ``[h * factor, w * factor]``."""
    columns = _along_rows(np.ascontiguousarray(values.T, np.float64), factor)
    return _along_rows(np.ascontiguousarray(columns.T), factor)


def _along_rows(values: np.ndarray, factor: int) -> np.ndarray:
    """``[n + 4, w]`` -> ``[n * factor, w]``. Sums of integers: exact in float64, so their order does not matter."""
    count = len(values) - 2 * _MARGIN
    result = np.empty((count * factor, values.shape[1]))
    for start in range(0, count, _ROWS):
        stop = min(start + _ROWS, count)
        weights, taken = _weights(stop - start, factor), values[start : stop + 2 * _MARGIN]
        for left in range(0, values.shape[1], _COLUMNS):
            part = slice(left, left + _COLUMNS)
            np.matmul(weights, taken[:, part], out=result[start * factor : stop * factor, part])
    return result


@cache
def _weights(count: int, factor: int) -> np.ndarray:
    """Return the cubic B-spline's weights of coarse pixels for fine ones, as integers: ``[n * factor, n + 4]``."""
    place = (np.arange(count * factor) + 0.5) / factor - 0.5 + _MARGIN
    distance = np.abs(place[:, None] - np.arange(count + 2 * _MARGIN))
    inner, outer = (4 - 6 * distance**2 + 3 * distance**3) / 6, np.maximum(2 - distance, 0) ** 3 / 6
    weights: np.ndarray = np.rint(np.where(distance < 1, inner, outer) * 6 * (2 * factor) ** 3)
    return weights
