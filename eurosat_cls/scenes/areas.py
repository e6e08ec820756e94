"""Polygons of interest in a scene, from GeoJSON."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.warp import transform as reproject
from shapely import is_valid, is_valid_reason, segmentize
from shapely import transform as with_coordinates
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, Polygon, shape

from eurosat_cls.scenes.formats import GDAL_ERRORS
from eurosat_cls.scenes.grid import Grid
from eurosat_cls.utils.errors import UserError

_MAX_BYTES = 256 * 2**20
_ROWS = 64  # rasterised at a time; counted from the scene's first row, so that a window's place does not matter
_LONGEST_EDGE = {True: 0.01, False: 1000.0}  # degrees, or units of a projection; straight there is curved here

_MOST_EDGES = 100_000  # that edges too long are cut into


class Areas:
    """Polygons on a scene's grid; they may overlap.

    Args:
        grid: the grid.
        polygons: by name, in the grid's coordinates.

    Attributes:
        names: ``[n]``, of the polygons.
    """

    def __init__(self, grid: Grid, polygons: Mapping[str, Polygon | MultiPolygon]) -> None:
        self.grid, self.names, self._polygons = grid, list(polygons), list(polygons.values())
        corners = np.array([polygon.bounds for polygon in self._polygons])  # west, south, east, north
        (cols, bottom), (last_col, top) = (~grid.transform @ (corners[:, i], corners[:, i + 1]) for i in (0, 2))
        self._rows = _whole(top, bottom, grid.height)
        self._cols = _whole(cols, last_col, grid.width)

    def inside(self) -> np.ndarray:
        """Return which polygons reach the grid, bool ``[n]``."""
        return (self._rows[0] < self._rows[1]) & (self._cols[0] < self._cols[1])

    def masks(self, rows: slice, cols: slice) -> list[tuple[int, np.ndarray]]:
        """Return the polygons that meet a window.

        Args:
            rows: ``h`` rows of the grid.
            cols: ``w`` columns.

        Returns:
            Position of each such polygon in :attr:`names`, and bool ``[h, w]``: whether a pixel's centre is in it.
        """
        meets = (self._rows[0] < rows.stop) & (self._rows[1] > rows.start)
        meets &= (self._cols[0] < cols.stop) & (self._cols[1] > cols.start)
        found = ((int(index), self._mask(int(index), rows, cols)) for index in np.flatnonzero(meets))
        return [(index, mask) for index, mask in found if mask.any()]

    def _mask(self, index: int, rows: slice, cols: slice) -> np.ndarray:
        mask = np.zeros((rows.stop - rows.start, cols.stop - cols.start), bool)
        first, last = int(self._cols[0][index]), int(self._cols[1][index])
        left, right = max(first, cols.start), min(last, cols.stop)
        for start in range(rows.start // _ROWS * _ROWS, rows.stop, _ROWS):
            place = self.grid.transform @ Affine.translation(first, start)
            drawn = rasterize([self._polygons[index]], (_ROWS, last - first), transform=place, dtype="uint8")
            top, bottom = max(start, rows.start), min(start + _ROWS, rows.stop)
            part = drawn[top - start : bottom - start, left - first : right - first] != 0
            mask[top - rows.start : bottom - rows.start, left - cols.start : right - cols.start] = part
        return mask


def read_areas(path: str | Path, grid: Grid) -> Areas:
    """Read polygons from a GeoJSON file and bring them to a scene's grid.

    Coordinates are longitude and latitude (RFC 7946), or in the system that a ``crs`` member names (GeoJSON 2008). A
    polygon is called after its ``name`` or ``id``, else by its number.

    Raises:
        UserError: for what is no GeoJSON of polygons, polygons that cross themselves, and when none reaches the scene.
    """
    path = Path(path)
    if grid.crs is None:
        raise UserError(
            f"--area {path}: the scene does not say where on Earth it is, so no polygon can be found in it."
        )
    content = _load(path)
    crs = _crs_of(content, path)
    polygons: dict[str, Polygon | MultiPolygon] = {}
    for number, (name, geometry) in enumerate(_geometries(content, path), 1):
        name = name or str(number)
        unique = name if name not in polygons else f"{name} ({number})"
        polygons[unique] = _brought_to(grid, _polygon(geometry, crs, f"--area {path}: polygon {name!r}"), crs, path)
    if not polygons:
        raise UserError(f"--area {path}: it holds no polygon.")
    areas = Areas(grid, polygons)
    if not areas.inside().any():
        raise UserError(f"--area {path}: none of its {len(polygons)} polygons reaches the scene.")
    return areas


def _whole(first: np.ndarray, last: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the whole pixels from first to last, inside the grid."""
    return np.floor(first).clip(0, size).astype(int), np.ceil(last).clip(0, size).astype(int)


def _load(path: Path) -> Mapping[str, Any]:
    try:
        with path.expanduser().open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        content = json.loads(text) if len(text) <= _MAX_BYTES else None
    except OSError as error:
        raise UserError(f"--area {path}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"--area {path}: not JSON ({error}); give polygons as GeoJSON.") from error
    if not isinstance(content, Mapping) or not isinstance(content.get("type"), str):
        raise UserError(f"--area {path}: not GeoJSON; give polygons as GeoJSON.")
    return content


def _crs_of(content: Mapping[str, Any], path: Path) -> CRS:
    if content.get("crs") is None:
        return CRS.from_epsg(4326)
    try:
        # OGC:CRS84 is longitude before latitude, as are all coordinates in GeoJSON.
        return CRS.from_user_input(content["crs"]["properties"]["name"])
    except (*GDAL_ERRORS, TypeError) as error:
        raise UserError(
            f"--area {path}: its crs {str(content['crs'])[:80]} is unknown; name one as EPSG:32633."
        ) from error


def _geometries(content: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Any]]:
    """Yield name and geometry of each feature; the name is empty where it has none."""
    features = content.get("features") if content["type"] == "FeatureCollection" else [content]
    if not isinstance(features, list):
        raise UserError(f"--area {path}: a FeatureCollection without features.")
    for feature in features:
        if not isinstance(feature, Mapping):
            raise UserError(f"--area {path}: one of its features is none.")
        if feature.get("type") != "Feature":
            yield "", feature
            continue
        properties = feature.get("properties")
        known = properties if isinstance(properties, Mapping) else {}
        names = (known.get("name"), known.get("id"), feature.get("id"))
        yield next((str(name) for name in names if name not in (None, "")), ""), feature.get("geometry")


def _polygon(geometry: Any, crs: CRS, who: str) -> Polygon | MultiPolygon:
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    if kind not in ("Polygon", "MultiPolygon"):
        raise UserError(f"{who}: it is {kind or 'nothing'}, and only Polygon and MultiPolygon have an area.")
    try:
        with np.errstate(invalid="ignore"):
            polygon = shape(geometry)
    except (ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise UserError(f"{who}: its coordinates are damaged ({error}).") from error
    if polygon.is_empty or not np.isfinite(polygon.bounds).all():
        raise UserError(f"{who}: it is empty or has coordinates that are no numbers.")
    if not is_valid(polygon):
        raise UserError(
            f"{who}: it crosses itself ({is_valid_reason(polygon)}); mend it, with QGIS's Fix geometries say."
        )
    west, south, east, north = polygon.bounds
    if crs.is_geographic and (max(abs(west), abs(east)) > 360 or max(abs(south), abs(north)) > 90):
        raise UserError(f"{who}: its coordinates are no longitude and latitude; name their system in a crs member.")
    return polygon


def _brought_to(grid: Grid, polygon: Polygon | MultiPolygon, crs: CRS, path: Path) -> Polygon | MultiPolygon:
    if crs == grid.crs:
        return polygon

    def project(points: np.ndarray) -> np.ndarray:
        x, y = reproject(crs, grid.crs, points[:, 0], points[:, 1])[:2]
        return np.column_stack([x, y])

    longest = max(_LONGEST_EDGE[crs.is_geographic], polygon.length / _MOST_EDGES)
    try:
        moved = with_coordinates(segmentize(polygon, longest), project)
    except GDAL_ERRORS as error:
        raise UserError(f"--area {path}: cannot be brought to the scene's coordinates ({error}).") from error
    if not np.isfinite(moved.bounds).all():
        raise UserError(f"--area {path}: part of it has no place in the scene's coordinates, {grid.crs}.")
    return moved
