"""Classify the windows of a strip."""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.strips import Strip

Classify = Callable[[np.ndarray], np.ndarray]


def trusted_windows(strip: Strip, layout: Layout, min_valid: float) -> np.ndarray:
    """Return which windows of a strip are to be classified, bool ``[rows, columns]``.

    They have at least this share of valid pixels, and one that is wanted.
    """
    valid = _shares(strip.valid, strip, layout)
    wanted = valid if strip.wanted is strip.valid else _shares(strip.wanted, strip, layout)
    trusted: np.ndarray = (valid >= np.float32(min_valid)) & (valid > 0) & (wanted > 0)
    return trusted


def _shares(mask: np.ndarray, strip: Strip, layout: Layout) -> np.ndarray:
    """Share of pixels ``[h, W]`` that are True in each window, float32 ``[rows, columns]``."""
    rows, columns = window_corners(strip, layout)
    if mask.all():
        return np.ones((len(rows), len(columns)), np.float32)
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int32)
    np.cumsum(mask, axis=0, out=sums[1:, 1:])
    np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
    top, bottom = sums[rows], sums[rows + layout.window]
    left, right = columns, columns + layout.window
    count = bottom[:, right] - bottom[:, left] - top[:, right] + top[:, left]
    share: np.ndarray = count.astype(np.float32) / layout.window**2
    return share


def window_corners(strip: Strip, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row, counted within the strip, and the first column of its windows, int64 each."""
    return layout.rows.starts[layout.group_rows(*strip.groups)] - strip.start, layout.columns.starts


def classify_strip(strip: Strip, layout: Layout, classify: Classify, classes: int, trusted: np.ndarray) -> np.ndarray:
    """Return what the trusted windows of a strip are, float32 ``[rows, columns, K]``; 0 for the others.

    Args:
        strip: whole groups of windows.
        layout: of the scene.
        classify: from raw windows ``[n, C, s, s]``, at most a batch, to ``[n, K]``.
        classes: ``K``.
        trusted: bool ``[rows, columns]``.
    """
    views = sliding_window_view(strip.values, (layout.window, layout.window), axis=(1, 2))  # [C, h', w', s, s]
    tops, lefts = window_corners(strip, layout)
    result = np.zeros((*trusted.shape, classes), np.float32)
    for start in range(0, len(tops), layout.group):
        rows, columns = np.nonzero(trusted[start : start + layout.group])
        rows += start
        for first in range(0, len(rows), layout.batch):
            r, c = rows[first : first + layout.batch], columns[first : first + layout.batch]
            windows = np.stack([views[:, y, x] for y, x in zip(tops[r], lefts[c], strict=True)])
            result[r, c] = classify(windows)
    return result
