"""What a map leaves: rasters where they belong, with names and colours, and true areas."""

import csv
import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from eurosat_cls import UserError, map_scene
from eurosat_cls.scenes.grid import Grid
from eurosat_cls.scenes.hectares import PixelAreas, harmless_csv
from eurosat_cls.scenes.legend import legend_of
from eurosat_cls.scenes.settings import MapOptions
from tests.scenes.maps import NAMES, pixels, small_model, write_scene
from tests.scenes.products import TRANSFORM

QUICK = MapOptions(window=32, step=16)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_map_has_all_its_files(tmp_path: Path) -> None:
    folder = map_scene(small_model(), write_scene(tmp_path / "scene.tif", pixels(100, 130)), tmp_path, options=QUICK)
    names = {path.name for path in folder.iterdir()}
    expected = {"classes.tif", "classes.tif.aux.xml", "classes.qml", "probabilities.tif", "areas.csv", "preview.png",
                "map.html", "map.json", ".lock"}  # fmt: skip
    assert names == expected
    assert set(json.loads((folder / "map.json").read_text())["files"]) == expected - {".lock", "map.json"}
    with Image.open(folder / "preview.png") as picture:
        assert picture.width > 800
        assert picture.height > 400


@pytest.mark.parametrize("kind", ["Area", "Point"])
def test_the_grid_starts_at_the_scenes_corner_and_is_not_moved(tmp_path: Path, kind: str) -> None:
    path = write_scene(tmp_path / "scene.tif", pixels(100, 130))
    if kind == "Point":
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(AREA_OR_POINT="Point")
    with rasterio.open(path) as dataset:
        corner, crs = dataset.transform, dataset.crs
    folder = map_scene(small_model(), path, tmp_path, options=QUICK)
    for name in ("classes.tif", "probabilities.tif"):
        with rasterio.open(folder / name) as dataset:
            assert dataset.crs == crs
            assert dataset.transform == Affine(160, 0, corner.c, 0, -160, corner.f)
            assert dataset.shape == (7, 9)
            assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert dataset.tags()["AREA_OR_POINT"] == "Area"


def test_names_and_colours_are_in_the_file_the_sidecar_and_the_style(tmp_path: Path) -> None:
    names = ("Forest", 'a <b> & "c"', "=1+1")
    folder = map_scene(small_model(names), write_scene(tmp_path / "scene.tif", pixels(100, 130)), tmp_path,
                       options=QUICK)  # fmt: skip
    with rasterio.open(folder / "classes.tif") as dataset:
        assert dataset.nodata == 255
        assert json.loads(dataset.tags()["CLASS_NAMES"]) == dict(zip("012", names))
        assert [dataset.colormap(1)[k][:3] for k in range(3)] == [entry.colour for entry in legend_of(names)]
        values = dataset.read(1)
    band = ElementTree.parse(folder / "classes.tif.aux.xml").find("PAMRasterBand")
    assert band is not None
    assert [category.text for category in band.iter("Category")] == list(names)
    rows = [[cell.text for cell in row] for row in band.iter("Row")]
    assert [row[2] for row in rows] == list(names)
    assert [int(str(row[1])) for row in rows] == np.bincount(values[values < 255], minlength=3).tolist()
    style = ElementTree.parse(folder / "classes.qml")
    assert [entry.get("label") for entry in style.iter("paletteEntry")] == list(names)
    assert [row["class"] for row in rows_of(folder / "areas.csv")] == [*names[:2], "'=1+1"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gdalinfo") is None, reason="GDAL's own tools read the map")
def test_gdals_tools_read_names_and_colours(tmp_path: Path) -> None:
    folder = map_scene(small_model(), write_scene(tmp_path / "scene.tif", pixels(100, 130)), tmp_path, options=QUICK)
    told = json.loads(subprocess.run(["gdalinfo", "-json", str(folder / "classes.tif")], capture_output=True,
                                     text=True, check=True).stdout)  # fmt: skip
    assert told["bands"][0]["colorInterpretation"] == "Palette"
    plain = subprocess.run(["gdalinfo", str(folder / "classes.tif")], capture_output=True, text=True, check=True).stdout
    for name in NAMES:
        assert f": {name}" in plain[plain.index("Categories:") :]


@pytest.mark.slow
def test_overviews_keep_classes(tmp_path: Path) -> None:
    options = MapOptions(window=16, step=1, batch_size=512)
    folder = map_scene(small_model(), write_scene(tmp_path / "scene.tif", pixels(40, 600)), tmp_path, options=options)
    with rasterio.open(folder / "classes.tif") as dataset:
        assert dataset.overviews(1) == [2, 4]
        whole = set(np.unique(dataset.read(1)))
    with rasterio.open(folder / "classes.tif", overview_level=1) as dataset:
        assert set(np.unique(dataset.read(1))) <= whole


def test_areas_count_true_pixels(tmp_path: Path) -> None:
    values = pixels(100, 130)
    values[:, 20:60, :70] = 0
    path = write_scene(tmp_path / "scene.tif", values, nodata=0)
    folder = map_scene(small_model(), path, tmp_path, options=MapOptions(window=32, step=16, min_confidence=0.7))
    rows = rows_of(folder / "areas.csv")
    assert [row["class"] for row in rows] == [*NAMES, "uncertain"]
    with rasterio.open(folder / "classes.tif") as dataset:
        classes = dataset.read(1).repeat(16, 0).repeat(16, 1)[:100, :130]
    with rasterio.open(folder / "probabilities.tif") as dataset:
        confidence = dataset.read(4).repeat(16, 0).repeat(16, 1)[:100, :130]
    valid = values.any(axis=0)
    for value, row in zip((0, 1, 2, 254), rows):
        here = (classes == value) & valid
        assert int(row["pixels"]) == here.sum()
        assert float(row["hectares"]) == pytest.approx(here.sum() / 100)
        if here.any():
            assert float(row["mean_confidence"]) == pytest.approx(confidence[here].mean(), abs=1e-4)
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1, abs=1e-5)
    assert (confidence[classes == 254] < 0.7).all()
    assert (confidence[classes < 3] >= 0.7).all()


@pytest.mark.slow
def test_a_finer_map_shows_the_cells_and_what_is_missing(tmp_path: Path) -> None:
    values = pixels(100, 130)
    values[:, 20:60, :70] = 0
    path = write_scene(tmp_path / "scene.tif", values, nodata=0)
    coarse = map_scene(small_model(), path, tmp_path, options=QUICK)
    fine = map_scene(small_model(), path, tmp_path, options=MapOptions(window=32, step=16, resolution=10))
    with rasterio.open(coarse / "classes.tif") as dataset:
        expected = dataset.read(1).repeat(16, 0).repeat(16, 1)[:100, :130]
    with rasterio.open(fine / "classes.tif") as dataset:
        assert dataset.transform == TRANSFORM
        assert (dataset.read(1) == np.where(values.any(axis=0), expected, 255)).all()
    assert (fine / "areas.csv").read_bytes() == (coarse / "areas.csv").read_bytes()
    with pytest.raises(UserError, match=r"--resolution 25: .* pixels of 10, 20, 40, 80, 160"):
        map_scene(small_model(), path, tmp_path, options=MapOptions(window=32, step=16, resolution=25))


def test_pixels_are_as_large_as_the_geoid_says() -> None:
    pyproj = pytest.importorskip("pyproj")
    geod = pyproj.Geod(ellps="WGS84")
    for crs, transform in ((4326, Affine(1e-4, 0, 15, 0, -1e-4, 46)), (3857, Affine(10, 0, 1.6e6, 0, -10, 5.8e6))):
        grid = Grid(2000, 1500, transform, rasterio.crs.CRS.from_epsg(crs))
        areas = PixelAreas(grid)
        assert areas.unit == "ellipsoid"
        for row, column in ((0, 0), (1000, 700), (1999, 1499)):
            x, y = transform.c + transform.a * column, transform.f + transform.e * row
            corners = [(x, y), (x + transform.a, y), (x + transform.a, y + transform.e), (x, y + transform.e)]
            place = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
            lon, lat = zip(*(place.transform(*corner) for corner in corners))
            true = abs(geod.polygon_area_perimeter(lon, lat)[0]) / 1e4
            assert areas.at(np.array([row + 0.5]), np.array([column + 0.5]))[0, 0] == pytest.approx(true, rel=1e-6)
    utm = PixelAreas(Grid(2000, 1500, TRANSFORM, rasterio.crs.CRS.from_epsg(32633)))
    assert utm.unit == "grid"
    assert utm.at(np.array([7.0]), np.array([9.0]))[0, 0] == pytest.approx(0.01)


def test_a_scene_without_a_crs_is_counted_in_pixels(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "scene.tif", pixels(64, 64), crs=None)
    folder = map_scene(small_model(), path, tmp_path, options=QUICK)
    rows = rows_of(folder / "areas.csv")
    assert sum(int(row["pixels"]) for row in rows) == 64 * 64
    assert {row["hectares"] for row in rows} == {""}


def test_several_labels_have_a_band_each(tmp_path: Path) -> None:
    model = small_model(("a", "b", "c"), task="multilabel")
    folder = map_scene(model, write_scene(tmp_path / "scene.tif", pixels(100, 130)), tmp_path, options=QUICK)
    with rasterio.open(folder / "classes.tif") as dataset:
        assert dataset.descriptions == ("a", "b", "c")
        assert set(np.unique(dataset.read())) == {0, 1}
    assert [row["class"] for row in rows_of(folder / "areas.csv")] == ["a", "b", "c"]


@pytest.mark.slow
def test_each_polygon_has_its_own_rows(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "scene.tif", pixels(100, 130))
    x, y = TRANSFORM.c, TRANSFORM.f

    def square(left: int, top: int, side: int) -> list[list[float]]:
        corners = [(left, top), (left + side, top), (left + side, top + side), (left, top + side), (left, top)]
        return [[x + 10 * column, y - 10 * row] for column, row in corners]

    content = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "EPSG:32633"}},
        "features": [
            {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
            for name, ring in (("north", square(5, 3, 40)), ("south", square(70, 50, 30)))
        ],
    }  # fmt: skip
    (tmp_path / "fields.geojson").write_text(json.dumps(content))
    whole = map_scene(small_model(), path, tmp_path, options=QUICK)
    options = MapOptions(window=32, step=16, area=str(tmp_path / "fields.geojson"))
    folder = map_scene(small_model(), path, tmp_path, options=options)
    rows = rows_of(folder / "areas.csv")
    assert [(row["polygon"], row["class"]) for row in rows] == [(p, c) for p in ("north", "south") for c in NAMES]
    assert [sum(int(row["pixels"]) for row in rows if row["polygon"] == p) for p in ("north", "south")] == [1600, 900]
    with rasterio.open(folder / "classes.tif") as dataset, rasterio.open(whole / "classes.tif") as all_of_it:
        here, there = dataset.read(1), all_of_it.read(1)
    assert (here[:3, :3] == there[:3, :3]).all(), "what lies around an area is seen by the windows"
    assert (here[:, 5:][:2] == 255).all()


@pytest.mark.parametrize("cell", ["=1+1", "+1", "@x", "-x", "\t="])
def test_no_cell_of_a_table_is_a_formula(cell: str) -> None:
    assert f"'{cell}" in harmless_csv(["name"], [[cell]])
