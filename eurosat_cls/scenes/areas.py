"""Placeholder."""

import numpy as np


class Areas:
    """Polygons."""

    names: list[str]

    def masks(self, rows: slice, cols: slice) -> list[tuple[int, np.ndarray]]:
        """Return the polygons that meet a window."""
        raise NotImplementedError


def read_areas(path: object, grid: object) -> Areas:
    """Read polygons."""
    raise NotImplementedError
