"""Places of patches: parts and blocks of a split where they are, and predictions as polygons for other programs."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eurosat_cls.analysis.places import find_places, write_geojson
from eurosat_cls.data import Demo, PatchDataModule
from eurosat_cls.data.patch import BoundingBox
from eurosat_cls.data.splits import SpatialSplit, SplitMethod
from eurosat_cls.data.store.store import Store
from eurosat_cls.utils.files import csv_text, write_text
from tests.data.splits.test_spatial import clustered, spatial_store, square

pyproj = pytest.importorskip("pyproj")


class Given(PatchDataModule):
    """Serves a store that there is."""

    def __init__(self, store: Store, split: SplitMethod | str) -> None:
        super().__init__(split=split)
        self.given = store

    def open_store(self) -> Store:
        return self.given


def table(path: Path, files: Sequence[str], confidence: float = 0.75) -> Path:
    rows = [[file, "Forest", "Forest" if n % 2 else "River", f"{confidence:.6f}"] for n, file in enumerate(files)]
    write_text(path, csv_text([["file", "true", "predicted", "confidence"], *rows]))
    return path


def test_parts_and_blocks_lie_where_their_patches_do() -> None:
    method = SpatialSplit(block_km=20, buffer_m=1000)
    data = Given(spatial_store(clustered(600)), method)
    places = find_places(data)
    assert places is not None
    for part, rows in data.split.parts().items():
        assert places.indices[places.part == part].tolist() == rows.tolist()
    held = 0
    for (west, south, east, north), part in places.blocks.items():
        x, y = places.longitude, places.latitude
        inside = (x >= west) & (x < east) & (y >= south) & (y < north)
        assert inside.any()
        assert set(places.part[inside]) <= {part, ""}, "a block belongs to one part, but for patches that are left out"
        height = (north - south) * 111.195
        assert height == pytest.approx(20)
        assert (east - west) * 111.195 * np.cos(np.radians((south + north) / 2)) == pytest.approx(20, rel=0.01)
        held += int(inside.sum())
    assert held == 600
    assert find_places(Given(spatial_store(clustered(600)), SpatialSplit(by="longitude"))).blocks == {}  # type: ignore[union-attr]


def test_patches_without_a_place_are_left_out() -> None:
    store = spatial_store(clustered(200))
    some = replace(store, places=[None if n % 2 else place for n, place in enumerate(store.places)])
    places = find_places(Given(some, "random"))
    assert places is not None
    assert places.indices.tolist() == list(range(0, 200, 2))
    assert find_places(Demo(patches_per_class=4)) is None


def test_polygons_are_closed_counterclockwise_and_where_the_patches_are(tmp_path: Path) -> None:
    store = spatial_store([square(32632, 500_000, 5_400_000), square(32755, 300_000, 6_100_000)] * 5)
    path = write_geojson(table(tmp_path / "p.csv", store.files), Given(store, "random"))
    assert path == tmp_path / "p.geojson"
    features = json.loads(path.read_text())["features"]
    assert [feature["properties"]["file"] for feature in features] == store.files
    for feature, place in zip(features, store.places, strict=True):
        (ring,) = feature["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        assert len(ring) == 5
        x, y = np.array(ring).T
        assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0, "counterclockwise, as RFC 7946 asks for"
        assert place is not None
        back = pyproj.Transformer.from_crs(4326, place.epsg, always_xy=True).transform(x, y)
        assert np.ptp(back[0]) == pytest.approx(640, abs=1)
        assert min(back[1]) == pytest.approx(place.bottom, abs=1)
    first = features[0]["properties"]
    assert (first["predicted"], first["correct"], first["confidence"]) == ("River", False, 0.75)


@pytest.mark.parametrize("name", ['a",{}\n.tif', "Wald\udcfc.tif", "林.tif"])
def test_any_name_and_a_missing_number_are_valid_json(tmp_path: Path, name: str) -> None:
    store = spatial_store([square(32632, 500_000, 5_400_000)] * 3)
    store = replace(store, files=[name, *store.files[1:]])
    spelt = name.encode(errors="backslashreplace").decode()
    path = write_geojson(table(tmp_path / "p.csv", [spelt, "elsewhere.tif"], float("nan")), Given(store, "random"))
    assert path is not None
    (feature,) = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda text: pytest.fail(text))["features"]
    assert feature["properties"]["file"] == spelt
    assert feature["properties"]["confidence"] is None


def test_without_places_there_are_no_polygons(tmp_path: Path) -> None:
    data = Demo(patches_per_class=4)
    assert write_geojson(table(tmp_path / "p.csv", data.store.files), data) is None
    assert write_geojson(tmp_path / "p.csv", None) is None
    assert not list(tmp_path.glob("*.geojson"))


def test_degrees_stay_degrees(tmp_path: Path) -> None:
    store = spatial_store([BoundingBox(4326, 9, 47, 10, 48)] * 3)
    path = write_geojson(table(tmp_path / "p.csv", store.files[:1]), Given(store, "random"))
    assert path is not None
    (feature,) = json.loads(path.read_text())["features"]
    assert feature["geometry"]["coordinates"] == [[[9, 47], [10, 47], [10, 48], [9, 48], [9, 47]]]
