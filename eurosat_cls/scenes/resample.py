"""From pixels of 20 and 60 m to those of 10 m, so that any window gets what the whole would."""

from collections.abc import Callable

import numpy as np

Window = tuple[slice, slice]


def read_coarse(
    read: Callable[[Window], tuple[np.ndarray, np.ndarray]], shape: tuple[int, int], factor: int, rows: slice, cols: slice
) -> tuple[np.ndarray, np.ndarray]:
    raise NotImplementedError
