"""Where patches lie on Earth: their coordinates, and which lie close to others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eurosat_cls.data.patch import BoundingBox
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import some

# The WGS 84 ellipsoid: its large half axis in metres, and the square of its eccentricity.
_AXIS, _ECCENTRICITY_2 = 6378137.0, 0.0066943799901413165
_CHUNK = 256


@dataclass(frozen=True)
class Positions:
    """Where patches lie.

    Attributes:
        longitude: ``[N]`` of the patches' centres, in degrees east of Greenwich.
        latitude: ``[N]``, in degrees north.
        xyz: ``[N, 3]`` the centres in metres from the middle of the Earth, on the ellipsoid of WGS 84.
        radius: ``[N]`` metres from a centre to the farthest corner of its patch.
    """

    longitude: np.ndarray
    latitude: np.ndarray
    xyz: np.ndarray
    radius: np.ndarray


def locate(places: Sequence[BoundingBox], files: Sequence[str]) -> Positions:
    """Compute the positions of places in any coordinate reference systems; ``files`` are for messages.

    Raises:
        UserError: when pyproj is missing, for an unknown EPSG code, and for coordinates that are nowhere on Earth.
    """
    lon, lat = _degrees(places, files)
    xyz = _xyz(lon, lat)
    offsets = xyz[1:] - xyz[0]
    radius = np.sqrt(offsets[..., 0] ** 2 + offsets[..., 1] ** 2 + offsets[..., 2] ** 2).max(0)
    return Positions(lon[0], lat[0], xyz[0], radius)


def outlines(places: Sequence[BoundingBox], files: Sequence[str]) -> np.ndarray:
    """Return the corners of places, counterclockwise: degrees east and north, ``[N, 4, 2]``; otherwise as `locate`."""
    lon, lat = _degrees(places, files)
    corners: np.ndarray = np.stack([lon, lat], axis=-1)[[1, 3, 4, 2]].swapaxes(0, 1)
    return corners


def _degrees(places: Sequence[BoundingBox], files: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of the centre and the four corners of each place, ``[5, N]``."""
    try:
        from pyproj import Transformer
        from pyproj.exceptions import ProjError
    except ImportError as error:
        raise UserError("the places of patches need pyproj: pip install 'eurosat-cls[geo]'") from error
    codes = np.array([place.epsg for place in places], dtype=np.int64)
    left, bottom, right, top = np.array([place[1:] for place in places], dtype=np.float64).T
    x = np.stack([(left + right) / 2, left, left, right, right])
    y = np.stack([(bottom + top) / 2, bottom, top, bottom, top])
    lon, lat = np.empty_like(x), np.empty_like(y)
    for code in np.unique(codes).tolist():
        indices = np.flatnonzero(codes == code).tolist()
        try:
            transformer = Transformer.from_crs(code, 4326, always_xy=True)
        except ProjError as error:
            raise UserError(f"{files[indices[0]]}: its coordinate reference system EPSG:{code} is unknown") from error
        lon[:, indices], lat[:, indices] = transformer.transform(x[:, indices], y[:, indices])
    on_earth = (np.abs(lat) <= 90) & (np.abs(lon) <= 360)  # false for NaN and infinity
    if bad := np.flatnonzero(~on_earth.all(0)).tolist():
        names = some([f"{files[row]} {tuple(places[row])}" for row in bad])
        raise UserError(f"{len(bad)} patches lie nowhere on Earth, such as {names}")
    return lon, lat


def near(positions: Positions, indices: np.ndarray, others: np.ndarray, distance: float) -> np.ndarray:
    """Tell which of the patches ``indices`` come within ``distance`` metres of one of the patches ``others``.

    Patches are taken for the circles around them, and distances for straight lines, which are never longer than those
    along the ground: what is not near lies farther than ``distance`` from edge to edge.

    Returns:
        bool ``[len(indices)]``.
    """
    result = np.zeros(len(indices), dtype=bool)
    if not len(others) or not len(indices):
        return result
    # Along the axis in which the patches spread most, only those in a slab around a chunk can be near to it.
    axis = int(np.ptp(positions.xyz, axis=0).argmax())
    rank = np.argsort(positions.xyz[indices, axis], kind="stable")
    others = others[np.argsort(positions.xyz[others, axis], kind="stable")]
    along = positions.xyz[others, axis]
    reach = distance + 2 * positions.radius.max()
    for start in range(0, len(indices), _CHUNK):
        chunk = rank[start : start + _CHUNK]
        ours = positions.xyz[indices[chunk]]
        first = np.searchsorted(along, ours[0, axis] - reach, "left")
        last = np.searchsorted(along, ours[-1, axis] + reach, "right")
        theirs = others[first:last]
        squares = sum((ours[:, None, k] - positions.xyz[theirs, k]) ** 2 for k in range(3))  # [chunk, others]
        limits = distance + positions.radius[indices[chunk], None] + positions.radius[theirs]
        result[chunk] = (squares <= limits**2).any(1)
    return result


def _xyz(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Turn degrees ``[...]`` into metres ``[..., 3]`` from the middle of the Earth."""
    lon, lat = np.radians(longitude), np.radians(latitude)
    normal = _AXIS / np.sqrt(1 - _ECCENTRICITY_2 * np.sin(lat) ** 2)
    x, y = normal * np.cos(lat) * np.cos(lon), normal * np.cos(lat) * np.sin(lon)
    return np.stack([x, y, normal * (1 - _ECCENTRICITY_2) * np.sin(lat)], axis=-1)
