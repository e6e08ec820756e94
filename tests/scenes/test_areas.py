"""Polygons of interest: in any system, the same in every window, and refused where they mean nothing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform_geom
from shapely.geometry import box as box_of

from eurosat_cls.scenes.areas import Areas, read_areas
from eurosat_cls.scenes.grid import Grid
from eurosat_cls.utils.errors import UserError
from tests.scenes.products import TRANSFORM

GRID = Grid(200, 150, TRANSFORM, CRS.from_epsg(32633))
X, Y = TRANSFORM.c, TRANSFORM.f


def box(left: float, top: float, right: float, bottom: float) -> dict[str, Any]:
    """A rectangle of whole pixels, in the grid's coordinates."""
    ring = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return {"type": "Polygon", "coordinates": [[[X + 10 * col, Y - 10 * row] for col, row in ring]]}


def write(path: Path, *features: tuple[str | None, dict[str, Any]], crs: str | None = "EPSG:32633") -> Path:
    content: dict[str, Any] = {"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"name": name}, "geometry": geometry} for name, geometry in features
    ]}  # fmt: skip
    if crs is not None:
        content["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(content))
    return path


def masks(areas: Areas) -> dict[str, np.ndarray]:
    return {areas.names[i]: mask for i, mask in areas.masks(slice(0, GRID.height), slice(0, GRID.width))}


def test_pixels_whose_centres_lie_in_a_polygon_are_its_own(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.json", ("left", box(0, 0, 30, 40)), (None, box(20, 30, 60, 50)), ("left", box(1, 1, 2, 2))
    )
    found = masks(read_areas(path, GRID))
    assert list(found) == ["left", "2", "left (3)"]
    expected = np.zeros((200, 150), bool)
    expected[30:50, 20:60] = True
    np.testing.assert_array_equal(found["2"], expected)
    assert found["left"].sum() == 1200


@pytest.mark.parametrize("crs", [None, "EPSG:4326", "urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:EPSG::3035"])
def test_polygons_may_be_in_any_system(tmp_path: Path, crs: str | None) -> None:
    there = {None: "EPSG:4326", "urn:ogc:def:crs:EPSG::3035": "EPSG:3035"}.get(crs, "EPSG:4326")
    geometry = transform_geom("EPSG:32633", there, box(10.3, 20.3, 100.3, 150.3))
    found = masks(read_areas(write(tmp_path / "a.json", ("field", geometry), crs=crs), GRID))["field"]
    expected = np.zeros((200, 150), bool)
    expected[20:150, 10:100] = True
    assert (found != expected).sum() <= 2


def test_a_long_straight_edge_is_bent_as_the_projection_bends_it(tmp_path: Path) -> None:
    ring = [[12, 46.0], [20, 46.0], [20, 46.5], [12, 46.5], [12, 46.0]]
    path = write(tmp_path / "a.json", ("belt", {"type": "Polygon", "coordinates": [ring]}), crs=None)
    areas = read_areas(path, Grid(2000, 20000, TRANSFORM, GRID.crs))
    columns = [areas.masks(slice(0, 2000), slice(col, col + 1))[0][1] for col in (0, 10_000, 15_000)]
    edge = [int(column.sum()) for column in columns]
    # A parallel bends north by x^2 tan(latitude) / 2R: 81 pixels at 100 km from the central meridian, 182 at 150.
    assert [edge[0] - edge[1], edge[0] - edge[2]] == pytest.approx([81, 182], abs=3)


def test_holes_and_multipolygons_and_heights_are_respected(tmp_path: Path) -> None:
    outer, hole = box(0, 0, 50, 50)["coordinates"][0], box(10, 10, 20, 20)["coordinates"][0]
    second = box(100, 100, 110, 110)["coordinates"]
    lifted = [[[*point, 300.0] for point in ring] for ring in (outer, hole[::-1])]
    path = write(tmp_path / "a.json", ("a", {"type": "MultiPolygon", "coordinates": [lifted, second]}))
    assert masks(read_areas(path, GRID))["a"].sum() == 2500 - 100 + 100


def test_a_window_has_what_the_whole_has(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = []
    for number in range(12):
        angles, radii = np.sort(rng.random(9)) * 2 * np.pi, 200 + 400 * rng.random(9)
        x, y = X + 1500 * rng.random(), Y - 2000 * rng.random()
        ring = [[x + r * np.cos(a), y + r * np.sin(a)] for a, r in zip(angles, radii)]
        features.append((str(number), {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}))
    areas = read_areas(write(tmp_path / "a.json", *features), GRID)
    whole = dict(areas.masks(slice(0, 200), slice(0, 150)))
    assert whole
    for _ in range(50):
        rows, cols = (slice(*sorted(rng.choice(size + 1, 2, replace=False).tolist())) for size in (200, 150))
        part = dict(areas.masks(rows, cols))
        for index, mask in whole.items():
            np.testing.assert_array_equal(part.get(index, np.zeros_like(mask[rows, cols])), mask[rows, cols])


def test_edges_that_pass_through_centres_fall_alike_in_every_window() -> None:
    transform = Affine(9.99479222007154, 0, 465181.0522318204, 0, -9.997448467363668, 5080254.63349641)
    corners = [(transform @ (k + 0.5, k + 70.5), transform @ (k + 60.5, k + 0.5)) for k in range(40)]
    boxes = {str(k): box_of(*low, *high) for k, (low, high) in enumerate(corners)}
    areas = Areas(replace(GRID, transform=transform), boxes)
    whole = dict(areas.masks(slice(0, 200), slice(0, 150)))
    for start in range(0, 196, 7):
        for index, mask in areas.masks(slice(start, start + 7), slice(0, 150)):
            np.testing.assert_array_equal(mask, whole[index][start : start + 7])


def test_a_bare_geometry_and_a_single_feature_are_taken(tmp_path: Path) -> None:
    geometry = transform_geom("EPSG:32633", "EPSG:4326", box(0, 0, 10, 10))
    for content in (geometry, {"type": "Feature", "id": 7, "properties": None, "geometry": geometry}):
        (tmp_path / "a.json").write_text(json.dumps(content))
        assert read_areas(tmp_path / "a.json", GRID).names == ["7" if "id" in content else "1"]


BOW = {"type": "Polygon", "coordinates": [[[X, Y], [X + 500, Y - 500], [X + 500, Y], [X, Y - 500], [X, Y]]]}


@pytest.mark.parametrize(
    ("geometry", "why"),
    [
        (BOW, "'field': it crosses itself"),
        (box(-500, 0, -400, 10), "none of its 1 polygons reaches the scene"),
        ({"type": "Point", "coordinates": [X, Y]}, "it is Point"),
        (None, "it is nothing"),
        ({"type": "Polygon", "coordinates": []}, "empty"),
        ({"type": "Polygon", "coordinates": [[[X, Y], [X, Y]]]}, "damaged"),
        ({"type": "Polygon", "coordinates": [[["a", "b"]]]}, "damaged"),
        ({"type": "Polygon", "coordinates": 3}, "damaged"),
        ({"type": "Polygon"}, "damaged"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [float("nan"), 1], [0, 0]]]}, "no numbers|crosses"),
    ],
)
def test_polygons_that_mean_nothing_are_refused_by_name(tmp_path: Path, geometry: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError, match=why):
        read_areas(write(tmp_path / "a.json", ("field", geometry)), GRID)


def test_projected_coordinates_without_their_system_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name their system in a crs member"):
        read_areas(write(tmp_path / "a.json", ("field", box(0, 0, 10, 10)), crs=None), GRID)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not GeoJSON"),
        ('{"type": "FeatureCollection"}', "without features"),
        ('{"type": "FeatureCollection", "features": []}', "holds no polygon"),
        ('{"type": "FeatureCollection", "features": [3]}', "one of its features is none"),
        ('{"type": "Topology", "objects": {}}', "it is Topology"),
        ('{"type": "Polygon", "crs": {"type": "link"}}', r"its crs .*link.* is unknown"),
    ],
)
def test_files_that_are_no_geojson_are_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=why):
        read_areas(tmp_path / "a.json", GRID)


def test_missing_files_and_scenes_without_coordinates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_areas(tmp_path / "a.json", GRID)
    with pytest.raises(UserError, match="where on Earth"):
        read_areas(tmp_path / "a.json", Grid(10, 10, TRANSFORM, None))
