"""Outlines of the classes as a GeoPackage."""

import math
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import rasterio
from rasterio.features import shapes

from eurosat_cls.scenes.hectares import PixelAreas
from eurosat_cls.scenes.legend import NODATA, Entry
from eurosat_cls.scenes.scene import Grid
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import replacing


def check_polygons() -> None:
    """Refuse polygons where what writes them is not installed.

    Raises:
        UserError: with the way out.
    """
    if find_spec("pyogrio") is None or find_spec("shapely") is None:
        raise UserError("--polygons needs pyogrio and shapely: pip install 'eurosat-cls[scenes]'")


def write_polygons(
    path: Path, classes: Path, bands: Sequence[Sequence[Entry]], smallest: float, extent: tuple[float, float]
) -> int:
    """Write a polygon for each connected area of one class.

    Cells are connected over their sides. Polygons follow the cells' edges, so that their areas add up to the map's.

    Args:
        path: of the GeoPackage, with the layer ``classes``: ``value``, ``class``, ``hectares``.
        classes: the ``classes.tif``.
        bands: the legend of each of its bands.
        smallest: hectares below which a polygon is left out; without a CRS, cells.
        extent: rows and columns of cells that the scene has, of which the last ones may be parts.

    Returns:
        How many there are.
    """
    import pyogrio
    import shapely
    import shapely.geometry

    geometries: list[object] = []
    values: list[int] = []
    names: list[str] = []
    hectares: list[float] = []
    with rasterio.open(classes) as dataset:
        grid = Grid(dataset.height, dataset.width, dataset.transform, dataset.crs)
        areas = PixelAreas(grid)
        for number, entries in enumerate(bands, 1):
            known = {entry.value: entry.name for entry in entries if len(bands) == 1 or entry.value == 1}
            plane = dataset.read(number)
            wanted = np.isin(plane, list(known)) & (plane != NODATA)
            for shape, value in shapes(plane, mask=wanted, connectivity=4):  # in rows and columns
                inside = shapely.clip_by_rect(shapely.geometry.shape(shape), 0, 0, extent[1], extent[0])
                for outline in shapely.get_parts(inside):
                    area = _hectares(outline, areas)
                    if area >= smallest:
                        geometries.append(_on_ground(outline, grid))
                        values.append(int(value))
                        names.append(known[int(value)])
                        hectares.append(area)
    with replacing(path) as part, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing CRS
        pyogrio.raw.write(
            part, shapely.to_wkb(np.array(geometries, object)), [np.array(values, np.int32), np.array(names, object),
            np.array(hectares)], ["value", "class", "hectares"], driver="GPKG", layer="classes",
            geometry_type="Polygon", crs=grid.crs.to_wkt() if grid.crs is not None else None,
        )  # fmt: skip
    return len(geometries)


def _hectares(outline: object, areas: PixelAreas) -> float:
    """Area of a polygon in rows and columns; pixels where there is no CRS."""
    centre, pixels = outline.representative_point(), float(outline.area)  # type: ignore[attr-defined]
    each = float(areas.at(np.array([centre.y]), np.array([centre.x]))[0, 0])
    return pixels if math.isnan(each) else pixels * each


def _on_ground(outline: object, grid: Grid) -> object:
    from shapely.affinity import affine_transform

    a, b, c, d, e, f = list(grid.transform)[:6]
    return affine_transform(outline, (a, b, d, e, c, f))
