"""Scenes in one file: bands by name, grids as they are, nodata, and what is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from eurosat_cls.scenes import open_scene
from eurosat_cls.utils.errors import UserError
from tests.conftest import subprocess_env
from tests.scenes.products import TRANSFORM, random_bands, write_raster, write_scene

BANDS = random_bands(80, 96)
RGB = {band: BANDS[band] for band in ("B04", "B03", "B02")}
PLANES = list(RGB.values())
GREY = [(plane >> 4).astype(np.uint8) for plane in PLANES]
EVERYTHING = (slice(0, 80), slice(0, 96))
FORMATS = [("tif", "GTiff"), ("tif", "COG"), ("jp2", "JP2OpenJPEG"), ("img", "HFA")]


@pytest.mark.parametrize(("suffix", "driver"), FORMATS)
def test_bands_are_read_by_name_whatever_their_order_and_format(tmp_path: Path, suffix: str, driver: str) -> None:
    path = write_raster(tmp_path / f"scene.{suffix}", PLANES, list(RGB), driver=driver)
    # descriptions in JPEG 2000 are in a side file, which is not read
    with open_scene(path, bands=list(RGB) if suffix == "jp2" else None) as scene:
        values, valid = scene.read(["B02", "B04"], slice(3, 70), slice(5, 90))
        assert (scene.grid.transform, scene.grid.crs.to_epsg()) == (TRANSFORM, 32633)
    np.testing.assert_array_equal(values, np.stack([RGB["B02"], RGB["B04"]])[:, 3:70, 5:90])
    assert valid.all()


def test_a_vrt_of_files_beside_it_is_read(tmp_path: Path) -> None:
    write_scene(tmp_path / "parts" / "a.tif", RGB)
    (tmp_path / "scene.vrt").write_text(vrt("parts/a.tif"))
    with open_scene(tmp_path / "scene.vrt") as scene:
        values, _ = scene.read(["B04"], *EVERYTHING)
    np.testing.assert_array_equal(values[0], RGB["B04"])


def vrt(source: str, relative: str = "1", extra: str = "", kind: str = "SimpleSource") -> str:
    band = (
        f'<VRTRasterBand dataType="UInt16" band="1"><Description>B04</Description><{kind}>'
        f'<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename><SourceBand>1</SourceBand>{extra}'
        f"</{kind}></VRTRasterBand>"
    )
    place = "<GeoTransform>499980, 10, 0, 5100000, 0, -10</GeoTransform>"
    return f'<VRTDataset rasterXSize="96" rasterYSize="80"><SRS>EPSG:32633</SRS>{place}{band}</VRTDataset>'


PYTHON = (
    '<VRTDataset rasterXSize="9" rasterYSize="9"><VRTRasterBand dataType="Byte" band="1" {}="VRTDerivedRasterBand">'
    "<PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionType>os.abort</PixelFunctionType>"
    "</VRTRasterBand></VRTDataset>"
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (vrt("../outside.tif"), "not in the folder"),
        (vrt("/vsicurl/http://127.0.0.1:9/x.tif", "0"), "not the name of a file"),
        (vrt("/vsicurl_streaming/x.tif", "0"), "not in the folder"),
        (vrt("/etc/passwd", "0"), "not in the folder"),
        (vrt("gone.tif"), "missing"),
        (vrt("wms.xml"), "no GeoTIFF"),
        (vrt("nested.vrt"), "not in the folder"),
        (vrt("a.tif", "01"), "not the name of a file"),
        (vrt("a.tif", extra="<OpenOptions><OOI key='X'>1</OOI></OpenOptions>"), "OpenOptions"),
        (vrt("a.tif").replace("<SimpleSource", '<SimpleSource sourcefilename="/vsicurl/x"'), "sourcefilename"),
        (PYTHON.format("subClass"), "refused"),
        (PYTHON.format("SUBCLASS"), "refused"),
        (vrt("a.tif").replace("VRTDataset r", 'VRTDataset subClass="VRTWarpedDataset" r'), "VRTWarpedDataset"),
        ('<!DOCTYPE x [<!ENTITY e "a.tif">]>' + vrt("&e;"), "declarations"),
        (vrt("a.tif")[:-20], "not a whole VRT"),
    ],
)
def test_a_vrt_reaches_nothing_outside_its_folder_and_runs_nothing(tmp_path: Path, text: str, why: str) -> None:
    folder = tmp_path / "scene"
    write_scene(folder / "a.tif", RGB)
    write_scene(tmp_path / "outside.tif", RGB)
    (folder / "wms.xml").write_text(
        "<GDAL_WMS><Service name='TMS'><ServerUrl>http://127.0.0.1:9/</ServerUrl></Service>"
    )
    (folder / "nested.vrt").write_text(vrt("../outside.tif"))
    (folder / "scene.vrt").write_text(text)
    with pytest.raises(UserError, match=why), open_scene(folder / "scene.vrt") as scene:
        scene.read(["B04"], *EVERYTHING)


def test_a_link_out_of_a_vrts_folder_is_refused(tmp_path: Path) -> None:
    write_scene(tmp_path / "outside.tif", RGB)
    folder = tmp_path / "scene"
    folder.mkdir()
    (folder / "a.tif").symlink_to(tmp_path / "outside.tif")
    (folder / "scene.vrt").write_text(vrt("a.tif"))
    with pytest.raises(UserError, match="not in the folder"):
        open_scene(folder / "scene.vrt")


def test_a_side_file_is_not_opened(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "a.tif", RGB)
    (tmp_path / "a.tif.msk").write_text(vrt("/vsicurl/http://127.0.0.1:9/x.tif", "0"))
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")
    with open_scene(path) as scene:
        assert scene.read(["B04"], *EVERYTHING)[1].all()
        assert scene.grid.crs.to_epsg() == 32633


def test_bands_without_names_need_them(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", PLANES)
    with pytest.raises(UserError, match="--bands"):
        open_scene(path)
    assert open_scene(path, bands=["b4", "green", "B02"]).bands == ("B04", "B03", "B02")
    with pytest.raises(UserError, match=r"names 2 bands, b4,green, but a\.tif has 3"):
        open_scene(path, bands=["b4", "green"])
    with pytest.raises(UserError, match="B04 is the name of 2 bands"):
        open_scene(path, bands=["B04", "B4", "B02"])


def test_a_name_that_describes_two_bands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="B04 is the name of 2 bands"):
        open_scene(write_raster(tmp_path / "a.tif", PLANES, ["B04", "red", "B02"]))


def test_an_8_bit_image_in_colours_is_named_by_them(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", GREY, photometric="RGB")
    with open_scene(path) as scene:
        assert (scene.bands, scene.dtype) == (("B04", "B03", "B02"), np.uint8)


def test_declared_nodata_alpha_masks_and_nan_are_not_valid(tmp_path: Path) -> None:
    there = np.arange(96) >= np.arange(80)[:, None]
    holed = {band: np.where(there, plane, 7).astype(np.uint16) for band, plane in RGB.items()}
    floats = {band: np.where(there, plane, np.nan).astype(np.float32) for band, plane in RGB.items()}
    alpha = [*GREY, np.where(there, 255, 0).astype(np.uint8)]
    paths = [
        write_scene(tmp_path / "nodata.tif", holed, nodata=7),
        write_scene(tmp_path / "nan.tif", floats),
        write_raster(tmp_path / "alpha.tif", alpha, photometric="RGB", alpha="YES"),
        write_scene(tmp_path / "zero.tif", {band: plane * there for band, plane in RGB.items()}),
        write_scene(tmp_path / "masked.tif", RGB),
    ]
    assert open_scene(paths[2], bands=list(RGB)).bands == tuple(RGB)  # alpha is no band
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(paths[-1], "r+") as dataset:
        dataset.write_mask(there)
    for path in paths:
        with open_scene(path) as scene:
            values, valid = scene.read(["B04", "B02"], slice(2, 60), slice(1, 96))
        np.testing.assert_array_equal(valid, there[2:60, 1:], err_msg=path.name)
        assert not values[:, ~valid].any()


def test_a_valid_pixel_may_be_0_in_one_band(tmp_path: Path) -> None:
    bands = {**RGB, "B04": np.zeros_like(RGB["B04"])}
    with open_scene(write_scene(tmp_path / "a.tif", bands)) as scene:
        assert scene.read(["B04", "B02"], *EVERYTHING)[1].all()


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        ({"transform": TRANSFORM @ Affine.rotation(5)}, "rotated"),
        ({"transform": Affine(10, 0, 0, 0, 10, 0)}, "north to south"),
        ({"pixel": 20}, "m wide.*--any_resolution"),
        ({"crs": "EPSG:2225", "transform": Affine(10, 0, 6e6, 0, -10, 2e6)}, r"3\.04\d* m wide"),
        ({"crs": "EPSG:4326", "transform": Affine(1, 0, 10, 0, -1, 50)}, "m wide"),
    ],
)
def test_grids_that_cannot_be_mapped_are_refused(tmp_path: Path, profile: dict[str, object], why: str) -> None:
    with pytest.raises(UserError, match=why):
        open_scene(write_scene(tmp_path / "a.tif", RGB, **profile))


def test_pixels_of_any_size_are_taken_when_asked_for(tmp_path: Path) -> None:
    scene = open_scene(write_scene(tmp_path / "a.tif", RGB, pixel=20), any_resolution=True)
    assert scene.grid.pixel_size() == pytest.approx(20, rel=0.01)


@pytest.mark.parametrize("transform", [TRANSFORM, None])
def test_a_scene_without_coordinates_is_opened_with_a_note(tmp_path: Path, transform: Affine | None) -> None:
    scene = open_scene(write_scene(tmp_path / "a.tif", RGB, crs=None, transform=transform))
    assert scene.grid.crs is None
    assert "areas are in pixels" in scene.notes[0]
    assert scene.grid.transform == (transform or Affine.identity())


def test_a_system_of_its_own_has_no_size_on_the_ground(tmp_path: Path) -> None:
    local = 'LOCAL_CS["site",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
    grid = open_scene(write_scene(tmp_path / "a.tif", RGB, crs=local)).grid
    assert (grid.crs is None, grid.pixel_size()) == (False, None)


def test_half_a_pixel_is_not_lost_where_coordinates_are_of_centres(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "a.tif", RGB)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(AREA_OR_POINT="Point")
    with rasterio.open(path) as dataset:
        expected = dataset.transform
    assert open_scene(path).grid.transform == expected


def test_offsets_come_from_the_files_own_scale_and_from_the_person(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "a.tif", {band: plane + 1000 for band, plane in RGB.items()})
    with open_scene(path, offset=-1000) as scene:
        np.testing.assert_array_equal(scene.read(["B02"], *EVERYTHING)[0][0], RGB["B02"])
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (1e-4,) * 3, (-0.1,) * 3
    with open_scene(path) as scene:
        assert scene.offsets == {"B04": -1000, "B03": -1000, "B02": -1000}
        np.testing.assert_array_equal(scene.read(["B02"], *EVERYTHING)[0][0], RGB["B02"])
    assert open_scene(path, offset=0).offsets == {}


def test_offsets_are_not_added_and_not_of_other_dtypes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--offset 1000"):
        open_scene(write_scene(tmp_path / "a.tif", RGB), offset=1000)
    with pytest.raises(UserError, match="uint8 values"):
        open_scene(write_raster(tmp_path / "b.tif", GREY, list(RGB)), offset=-1000)


def test_what_is_no_raster_or_none_any_more_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("no image")
    with pytest.raises(UserError, match="not a raster"):
        open_scene(tmp_path / "a.tif")
    with pytest.raises(UserError, match="no such file"):
        open_scene("/vsicurl/http://127.0.0.1:9/a.tif")
    whole = write_scene(tmp_path / "b.tif", RGB).read_bytes()
    (tmp_path / "b.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cut off"):
        open_scene(tmp_path / "b.tif")


@pytest.mark.parametrize(("suffix", "driver"), FORMATS[1:3])
def test_a_file_that_is_cut_off_is_named_with_the_place(tmp_path: Path, suffix: str, driver: str) -> None:
    path = write_raster(tmp_path / f"T33_B04.{suffix}", [RGB["B04"]], ["B04"] if driver == "COG" else [], driver=driver)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with open_scene(path) as scene, pytest.raises(UserError, match=r"T33_B04.*: rows 0 to 80, columns 0 to 96"):
        scene.read(["B04"], *EVERYTHING)


def test_without_rasterio_the_way_to_install_it_is_told() -> None:
    code = "import sys; sys.modules['rasterio'] = None; import eurosat_cls.scenes"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=subprocess_env())
    assert "UserError: scenes need rasterio: pip install 'eurosat-cls[scenes]'" in ended.stderr


def test_other_dtypes_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"float64.*gdal_translate -ot UInt16"):
        open_scene(write_scene(tmp_path / "a.tif", {band: plane / 1e4 for band, plane in RGB.items()}))
