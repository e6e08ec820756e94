"""What to leave out of a scene: clouds as the product marks them, or what a raster of one's own marks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.io import DatasetReader
from rasterio.transform import array_bounds
from rasterio.warp import transform_bounds

from eurosat_cls.scenes.formats import GDAL_ERRORS
from eurosat_cls.scenes.grid import Grid, factor_of
from eurosat_cls.scenes.raster import Handles
from eurosat_cls.utils.errors import UserError

# Scene classification of Level-2A: cloud shadows, clouds of medium and high probability, thin cirrus.
SCL_CLOUDS = (3, 8, 9, 10)


@dataclass(frozen=True)
class Mask:
    """A raster that marks pixels.

    Attributes:
        path: the raster.
        indexes: its bands, from 1; a pixel marked in one of them is marked.
        values: that mark a pixel; None for all but 0.
        factor: how many pixels of the scene's grid its own are wide and high; None where it has another grid.
        nodata: value that marks nothing.
        description: for people.
    """

    path: str
    indexes: tuple[int, ...]
    values: tuple[int, ...] | None
    factor: int | None
    nodata: float | None
    description: str

    def read(self, handles: Handles, grid: Grid, rows: slice, cols: slice) -> np.ndarray:
        """Return what is marked in a window of the scene's grid, bool ``[h, w]``.

        Raises:
            UserError: when it cannot be read.
        """
        if self.factor is None:
            return self._marked(handles.read(self.path, self.indexes, (rows, cols), grid))
        coarse = tuple(slice(part.start // self.factor, (part.stop - 1) // self.factor + 1) for part in (rows, cols))
        marked = self._marked(handles.read(self.path, self.indexes, (coarse[0], coarse[1])))
        starts = [part.start % self.factor for part in (rows, cols)]
        fine = marked.repeat(self.factor, 0).repeat(self.factor, 1)
        return fine[starts[0] :, starts[1] :][: rows.stop - rows.start, : cols.stop - cols.start]

    def _marked(self, values: np.ndarray) -> np.ndarray:
        marked: np.ndarray = np.isin(values, self.values) if self.values else (values != 0) & ~np.isnan(values)
        if self.nodata is not None:
            marked &= values != self.nodata
        result: np.ndarray = np.logical_or.reduce(marked)
        return result


def scl_mask(handles: Handles, grid: Grid, path: str, index: int = 1) -> Mask:
    """Return the clouds and their shadows in a scene classification."""
    return Mask(path, (index,), SCL_CLOUDS, factor_of(grid, handles.get(path)), None, "clouds of the SCL band")


def classification_mask(handles: Handles, grid: Grid, path: str) -> Mask:
    """Return the opaque clouds and cirrus of Level-1C's ``MSK_CLASSI_B00.jp2``; its third band is snow."""
    return Mask(path, (1, 2), None, factor_of(grid, handles.get(path)), None, "clouds of MSK_CLASSI_B00")


def file_mask(handles: Handles, grid: Grid, path: Path) -> Mask:
    """Return what a raster marks by values other than 0, its nodata left aside.

    Raises:
        UserError: when it is missing, does not reach the scene, or neither fits its grid nor says where it lies.
    """
    if not path.is_file():
        raise UserError(f"--mask {path}: there is no such file; give 'clouds' or a raster.")
    dataset = handles.get(str(path.absolute()))
    if dataset.count != 1:
        raise UserError(f"--mask {path}: it has {dataset.count} bands, and must have one.")
    try:
        factor: int | None = factor_of(grid, dataset)
    except UserError as error:
        if grid.crs is None or dataset.crs is None:
            raise UserError(f"--mask {path}: without coordinates it needs the {grid.height} x {grid.width} pixels of "
                            "the scene.") from error  # fmt: skip
        factor = None
        _check_overlap(grid, dataset, path)
    return Mask(str(path.absolute()), (1,), None, factor, dataset.nodatavals[0], f"pixels other than 0 in {path.name}")


def _check_overlap(grid: Grid, dataset: DatasetReader, path: Path) -> None:
    west, south, east, north = array_bounds(grid.height, grid.width, grid.transform)
    try:
        left, bottom, right, top = transform_bounds(dataset.crs, grid.crs, *dataset.bounds)
    except GDAL_ERRORS as error:
        raise UserError(f"--mask {path}: cannot be brought to the scene's coordinates ({error}).") from error
    if left >= east or right <= west or bottom >= north or top <= south:
        raise UserError(f"--mask {path}: it does not reach the scene.")
