"""How large the pixels of a grid are on the ground, and how much land each class takes."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from rasterio.warp import transform as reproject

from eurosat_cls.scenes.legend import Entry
from eurosat_cls.scenes.scene import Grid
from eurosat_cls.utils.files import csv_text

WGS84 = (6_378_137.0, 298.257223563)  # semi-major axis in m, inverse flattening
LATTICE = 256  # blocks along a side within which the size of a pixel changes evenly
TOLERANCE = 0.002  # by how much a plane area may differ from the true one: every zone of UTM is within 0.1 %


class PixelAreas:
    """Hectares of the pixels of a grid.

    In a projection that keeps areas within 0.2 % over the scene, as UTM does, a pixel is as large as the grid says:
    100 m2 are 0.01 ha, as every other tool counts. In others, and in degrees, it is as large as on the ellipsoid.

    The area on the ellipsoid between two parallels is ``b^2 dlon (q(lat2) - q(lat1)) / 2`` with
    ``q = sin(lat) / (1 - e^2 sin(lat)^2) + atanh(e sin(lat)) / e`` (Snyder 1987, "Map Projections", equation 3-12),
    so areas of small quadrilaterals follow from ``(lon, q)`` as if these were plane coordinates.

    Args:
        grid: of the pixels.

    Attributes:
        unit: how areas are counted, for those who read them: ``none`` without a CRS.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.unit = "none"
        if grid.crs is None:
            return
        self._rows = np.unique(np.linspace(0, grid.height, min(grid.height, LATTICE) + 1).round().astype(int))
        self._columns = np.unique(np.linspace(0, grid.width, min(grid.width, LATTICE) + 1).round().astype(int))
        true = _true_areas(grid, self._rows, self._columns)
        plane = math.nan
        if grid.crs.is_projected:
            plane = abs(grid.transform.determinant) * grid.crs.linear_units_factor[1] ** 2 / 1e4
        if np.abs(true / plane - 1).max() <= TOLERANCE:
            self.unit, self._areas = "grid", np.full_like(true, plane)
        else:
            self.unit, self._areas = "ellipsoid", true

    def at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Hectares of the pixels at these rows and columns (which may be fractions), float64 ``[rows, columns]``."""
        if self.unit == "none":
            return np.full((len(rows), len(columns)), math.nan)
        across = _between(self._columns, columns, self._areas.T).T
        hectares: np.ndarray = _between(self._rows, rows, across)
        return hectares


def _between(edges: np.ndarray, places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Interpolate along the first axis between the middles of blocks, and go on as before beyond the outer ones."""
    middles = (edges[1:] + edges[:-1]) / 2
    if len(middles) == 1:
        return np.repeat(values, len(places), axis=0)
    low = np.clip(np.searchsorted(middles, places) - 1, 0, len(middles) - 2)
    share = ((places - middles[low]) / (middles[low + 1] - middles[low]))[:, None]
    result: np.ndarray = values[low] * (1 - share) + values[low + 1] * share
    return result


def _true_areas(grid: Grid, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Hectares of a pixel in each block of the lattice, on the ellipsoid."""
    assert grid.crs is not None
    x, y = np.meshgrid(columns, rows)
    east = grid.transform.c + grid.transform.a * x + grid.transform.b * y
    north = grid.transform.f + grid.transform.d * x + grid.transform.e * y
    if grid.crs.is_geographic:
        lon, lat = east.ravel(), north.ravel()
    else:
        lon, lat = map(np.asarray, reproject(grid.crs, "EPSG:4326", east.ravel(), north.ravel())[:2])
    axis, inverse = _ellipsoid(grid.crs.to_wkt())
    flattening = 1 / inverse if inverse else 0.0
    e2 = max(flattening * (2 - flattening), 1e-12)  # a sphere, as nearly as makes no difference
    e, sine = math.sqrt(e2), np.sin(np.radians(lat))
    q = sine / (1 - e2 * sine**2) + np.arctanh(e * sine) / e
    u = np.radians(lon).reshape(x.shape)
    v = (axis**2 * (1 - e2) / 2 * q).reshape(x.shape)
    u = np.unwrap(np.unwrap(u, axis=1), axis=0)
    down_u, down_v = u[1:, 1:] - u[:-1, :-1], v[1:, 1:] - v[:-1, :-1]
    up_u, up_v = u[:-1, 1:] - u[1:, :-1], v[:-1, 1:] - v[1:, :-1]
    block = np.abs(down_u * up_v - down_v * up_u) / 2  # half the cross product of the diagonals
    hectares: np.ndarray = block / np.outer(np.diff(rows), np.diff(columns)) / 1e4
    return hectares


def _ellipsoid(wkt: str) -> tuple[float, float]:
    found = re.search(r'(?:SPHEROID|ELLIPSOID)\["[^"]*",\s*([\d.eE+]+),\s*([\d.eE+]+)', wkt)
    return (float(found[1]), float(found[2])) if found else WGS84


@dataclass
class AreaSums:
    """Pixels, hectares and confidence of each value of a map, cell by cell.

    Args:
        values: number of values.

    Attributes:
        pixels: int64 ``[values]``.
        hectares: float64 ``[values]``.
        confidence: float64 ``[values]``, summed over pixels.
    """

    values: int = 256
    pixels: np.ndarray = field(init=False)
    hectares: np.ndarray = field(init=False)
    confidence: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.pixels = np.zeros(self.values, np.int64)
        self.hectares, self.confidence = np.zeros(self.values), np.zeros(self.values)

    def add(self, classes: np.ndarray, pixels: np.ndarray, hectares: np.ndarray, confidence: np.ndarray) -> None:
        """Add cells, arrays of one shape each: values, valid pixels, hectares of a pixel, confidence."""
        flat, weight = classes.ravel(), pixels.ravel()
        self.pixels += np.bincount(flat, weight, self.values).astype(np.int64)
        self.hectares += np.bincount(flat, weight * hectares.ravel(), self.values)
        self.confidence += np.bincount(flat, weight * confidence.ravel().astype(np.float64), self.values)


HEAD = ("class", "pixels", "hectares", "share", "mean_confidence")


def area_rows(sums: AreaSums, entries: Sequence[Entry], shares: bool = True) -> list[list[str]]:
    """Return a row of text for each value: name, pixels, hectares, share, mean confidence.

    Args:
        sums: of the map.
        entries: its values. Those that were left undecided count in the shares.
        shares: whether values exclude each other, so that shares of all pixels mean something.
    """
    total = sum(int(sums.pixels[entry.value]) for entry in entries)
    unknown = bool(np.isnan(sums.hectares).any())
    rows = []
    for entry in entries:
        pixels, hectares = int(sums.pixels[entry.value]), float(sums.hectares[entry.value])
        share = f"{pixels / total:.6f}" if shares and total else ""
        confidence = f"{sums.confidence[entry.value] / pixels:.4f}" if pixels else ""
        rows.append([entry.name, str(pixels), "" if unknown else f"{hectares:.4f}", share, confidence])
    return rows


def harmless_csv(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as CSV; text that a spreadsheet would take for a formula is led by an apostrophe."""
    return csv_text([head, *([_harmless(cell) for cell in row] for row in rows)])


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell[:1] in ("=", "+", "@", "\t", "\r") or re.match(r"-[^\d.]", cell) else cell
