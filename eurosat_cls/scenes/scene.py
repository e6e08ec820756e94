"""Placeholder of the input half."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine


@dataclass(frozen=True)
class Grid:
    """Rows and columns of a raster on the ground."""

    height: int
    width: int
    transform: Affine
    crs: Any


class Scene:
    """A raster."""

    name: str
    path: Path
    grid: Grid
    bands: tuple[str, ...]
    dtype: np.dtype[Any]
    level: str | None = None
    baseline: str | None = None
    offsets: dict[str, int] = {}
    offset_source: str = "none"

    def read(self, bands: Sequence[str], rows: slice, cols: slice) -> tuple[np.ndarray, np.ndarray]:
        """Values and valid."""
        raise NotImplementedError

    def excluded(self, rows: slice, cols: slice) -> np.ndarray | None:
        """Pixels that a mask leaves out."""
        return None

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, *args: object) -> None:
        pass
