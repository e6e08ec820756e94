"""Where on Earth patches lie: for a picture, and as GeoJSON of what was predicted there."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.data.splits import SpatialSplit
from eurosat_cls.data.splits.earth import locate, outlines
from eurosat_cls.utils.files import reading, write_text, writing

PROPERTIES = ("file", "true", "predicted", "confidence")  # columns of a table of predictions
_DECIMALS = 6  # of degrees: a tenth of a metre


class PatchPlaces(NamedTuple):
    """Where the ``n`` patches of a data set that have a place lie.

    Attributes:
        indices: int64 ``[n]``, positions in the store, ascending.
        longitude: ``[n]`` of their centres, in degrees.
        latitude: ``[n]``.
        part: ``[n]`` ``train``, ``val`` or ``test``; empty for a patch that belongs to none.
        blocks: of a spatial split by blocks, the part of each by its west, south, east and north in degrees.
    """

    indices: np.ndarray
    longitude: np.ndarray
    latitude: np.ndarray
    part: np.ndarray
    blocks: dict[tuple[float, float, float, float], str]


def find_places(data: PatchDataModule) -> PatchPlaces | None:
    """Return where the patches lie; None where no file says so.

    Raises:
        UserError: without pyproj, and for places that are nowhere on Earth.
    """
    store, split = data.store, data.split
    indices = np.array([row for row, place in enumerate(store.places) if place is not None], dtype=np.int64)
    if not len(indices):
        return None
    positions = locate([place for place in store.places if place is not None], data.files(indices.tolist()))
    part = np.full(len(store.files), "", dtype="<U5")
    for name, rows in split.parts().items():
        part[rows] = name
    part, method, blocks = part[indices], data.split_method, {}
    if isinstance(method, SpatialSplit):
        for bounds, members in method.blocks(positions).items():
            # Patches near to another part's are left out of theirs: what the others belong to, the block does.
            known = Counter(str(name) for name in part[members] if name)
            blocks[bounds] = known.most_common(1)[0][0] if known else ""
    return PatchPlaces(indices, positions.longitude, positions.latitude, part, blocks)


def write_geojson(table: Path, data: object) -> Path | None:
    """Write a table of predictions as polygons too, beside it; return the path, or None where patches have no places.

    The coordinates are degrees on WGS 84 (RFC 7946). A feature has the columns :data:`PROPERTIES` of its row, and
    ``correct`` where the truth is known.

    Raises:
        UserError: without pyproj, for places that are nowhere on Earth, and for files that cannot be read or written.
    """
    if not isinstance(data, PatchDataModule):
        return None
    # As the table spells them: a name may hold bytes that are not in UTF-8.
    named = zip((file.encode(errors="backslashreplace").decode() for file in data.store.files), data.store.places)
    places = {file: place for file, place in named if place is not None}
    with reading(table), open(table, encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["file"] in places] if places else []
    if not rows:
        return None
    corners = outlines([places[row["file"]] for row in rows], [row["file"] for row in rows]).round(_DECIMALS)
    features = ",\n".join(json.dumps(_feature(row, ring.tolist())) for row, ring in zip(rows, corners, strict=True))
    path = table.with_suffix(".geojson")
    with writing(path):
        write_text(path, f'{{"type": "FeatureCollection", "features": [\n{features}\n]}}\n')
    return path


def _feature(row: dict[str, str], ring: list[list[float]]) -> dict[str, object]:
    properties: dict[str, object] = {name: row[name] for name in PROPERTIES if name in row}
    if "confidence" in row:
        confidence = float(row["confidence"])
        properties["confidence"] = confidence if np.isfinite(confidence) else None
    if "true" in row:
        properties["correct"] = row["true"] == row["predicted"]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "properties": properties,
    }
