"""The grid of a scene's pixels, and what it must be like."""

import math
from dataclasses import dataclass

from affine import Affine
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.warp import transform as reproject

from eurosat_cls.scenes.formats import GDAL_ERRORS
from eurosat_cls.utils.errors import UserError

# Training patches have pixels of 10 m; a quarter more or less is what projections and cropping tools make of them.
_SMALLEST, _LARGEST = 8.0, 12.5
_SLACK = 0.01  # of a fine pixel, by which grids may differ
_MAX_FACTOR = 100
_EARTH_RADIUS = 6_371_000.0  # m
_LONGITUDE_LATITUDE = CRS.from_epsg(4326)


@dataclass(frozen=True)
class Grid:
    """A grid of square pixels whose rows run south and columns east.

    Attributes:
        height: rows.
        width: columns.
        transform: from (column, row) of a pixel's upper left corner to coordinates.
        crs: what the coordinates mean; None where unknown.
    """

    height: int
    width: int
    transform: Affine
    crs: CRS | None

    def pixel_size(self) -> float | None:
        """Return the side in metres of the square that has the size on the ground of the grid's middle pixel.

        None for a grid without a CRS, or one that cannot be brought to longitude and latitude.
        """
        if self.crs is None:
            return None
        col, row = self.width / 2, self.height / 2
        points = [self.transform @ (col + dx, row + dy) for dx, dy in ((0, 0), (1, 0), (0, 1))]
        try:
            lon, lat = reproject(self.crs, _LONGITUDE_LATITUDE, [x for x, _ in points], [y for _, y in points])[:2]
        except GDAL_ERRORS:  # a local system, say
            return None
        east, south = ((math.radians(lon[i] - lon[0]), math.radians(lat[i] - lat[0])) for i in (1, 2))
        shrink = math.cos(math.radians(lat[0]))
        return _EARTH_RADIUS * math.sqrt(shrink * abs(east[0] * south[1] - east[1] * south[0]))


def grid_of(dataset: DatasetReader, any_resolution: bool = False) -> tuple[Grid, list[str]]:
    """Return the grid of a raster, and what a person should know of it.

    Args:
        dataset: the raster.
        any_resolution: whether pixels may be of another size than about 10 m.

    Raises:
        UserError: for a rotated grid, one that does not run south and east, and pixels of another size.
    """
    file, transform, crs = dataset.name, dataset.transform, dataset.crs or None
    if transform == Affine.identity():
        why = "it has ground control points instead of a grid" if dataset.gcps[0] else "it has no geotransform"
        grid = Grid(dataset.height, dataset.width, Affine.identity(), None)
        return grid, [f"{file}: {why}; the map is in pixel coordinates, and its areas are in pixels."]
    if transform.b or transform.d:
        raise UserError(f"{file}: its grid is rotated; bring it to one that is not: gdalwarp {file} straight.tif")
    if transform.a <= 0 or transform.e >= 0:
        raise UserError(f"{file}: its rows do not run from north to south; turn them: gdalwarp {file} straight.tif")
    grid = Grid(dataset.height, dataset.width, transform, crs)
    if crs is None:
        return grid, [f"{file}: it has no coordinate reference system; the map has none, and its areas are in pixels."]
    size = grid.pixel_size()
    if size is not None and not any_resolution and not _SMALLEST <= size <= _LARGEST:
        raise UserError(
            f"{file}: its pixels are {size:.4g} m wide, those of Sentinel-2 and of the training patches 10 m; bring it "
            "to 10 m, or pass --any_resolution."
        )
    return grid, []


def factor_of(grid: Grid, dataset: DatasetReader) -> int:
    """Return how many pixels of the grid a pixel of the raster is wide and high.

    Raises:
        UserError: when the two do not fit into each other.
    """
    if dataset.transform == Affine.identity():
        factor, shift = round(grid.height / dataset.height), 0.0
    else:
        factor = round(dataset.transform.a / grid.transform.a)
        col, row = ~grid.transform @ (dataset.transform.c, dataset.transform.f)
        far, low = ~grid.transform @ (dataset.transform @ (dataset.width, dataset.height))
        shift = max(abs(col), abs(row), abs(far - factor * dataset.width), abs(low - factor * dataset.height))
        if grid.crs != (dataset.crs or None):
            raise UserError(f"{dataset.name}: another coordinate reference system than that of the finest band.")
    shape = (-(-grid.height // factor), -(-grid.width // factor)) if 1 <= factor <= _MAX_FACTOR else None
    if shift > _SLACK or shape != dataset.shape:
        raise UserError(
            f"{dataset.name}: its {dataset.height} x {dataset.width} pixels do not fit into the {grid.height} x "
            f"{grid.width} of the finest band; bring all bands to one extent."
        )
    return int(factor)
