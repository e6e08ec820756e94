"""Sentinel-2 products as published, and folders of bands."""

import re
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pickle import dumps, loads

import numpy as np
import pytest

from eurosat_cls.data.sentinel2 import PRODUCT_ORDER
from eurosat_cls.scenes import Scene, open_scene
from eurosat_cls.scenes.product_metadata import parse_metadata
from eurosat_cls.utils.errors import UserError
from tests.scenes.products import RESOLUTION, coarsened, metadata, random_bands, write_product, write_raster, zipped

HEIGHT, WIDTH = 96, 120
BANDS = random_bands(HEIGHT, WIDTH)
BANDS["B04"][:30, :30] = 0
EVERYTHING = (slice(0, HEIGHT), slice(0, WIDTH))
NEW = {"baseline": "05.09", "offset": -1000}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_product(tmp_path_factory.mktemp("old"), BANDS)


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_product(tmp_path_factory.mktemp("new"), BANDS, **NEW)


@pytest.fixture(scope="module")
def surface(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_product(tmp_path_factory.mktemp("surface"), BANDS, level="L2A", **NEW)


def contents(path: Path, bands: tuple[str, ...] = PRODUCT_ORDER) -> tuple[np.ndarray, np.ndarray]:
    with open_scene(path) as scene:
        return scene.read(bands, *EVERYTHING)


def test_bands_of_10_m_are_those_of_the_product_though_it_lists_them_in_no_order(old: Path) -> None:
    values, valid = contents(old, ("B02", "B03", "B04", "B08"))
    np.testing.assert_array_equal(valid, BANDS["B04"] > 0)
    for plane, band in zip(values, ("B02", "B03", "B04", "B08")):
        np.testing.assert_array_equal(plane[valid], BANDS[band][valid])


def test_coarse_bands_are_those_of_their_names(old: Path) -> None:
    with open_scene(old) as scene:
        for band in PRODUCT_ORDER:
            factor = RESOLUTION[band] // 10
            values, _ = scene.read([band], *EVERYTHING)
            again = coarsened(values[0], factor).astype(float)
            assert np.corrcoef(again.ravel(), coarsened(BANDS[band], factor).ravel())[0, 1] > 0.9, band


def test_products_with_and_without_offset_and_zipped_ones_are_equal(old: Path, new: Path) -> None:
    expected, valid = contents(old)
    for path in (new, zipped(new), new / "MTD_MSIL1C.xml"):
        values, there = contents(path)
        np.testing.assert_array_equal(values, expected)
        np.testing.assert_array_equal(there, valid)
    assert values[:, valid].min() >= 1


def test_what_a_product_says_of_itself_is_known(old: Path, new: Path, surface: Path) -> None:
    first, second, third = open_scene(old), open_scene(new), open_scene(surface)
    assert (first.level, first.baseline, first.offsets) == ("L1C", "02.06", {})
    assert (second.level, second.baseline) == ("L1C", "05.09")
    assert second.offsets == dict.fromkeys(PRODUCT_ORDER, -1000)
    assert "MTD_MSIL1C.xml" in second.offset_source
    assert (third.level, third.missing.keys()) == ("L2A", {"B10"})
    assert second.name == "S2B_MSIL1C_20180406T100029_N0509_R122_T33TVM_20180406T120212"
    assert (first.grid.height, first.grid.width, first.grid.pixel_size()) == (
        HEIGHT, WIDTH, pytest.approx(10, rel=0.01)
    )  # fmt: skip


def test_level_2a_has_the_same_bands_at_their_own_resolutions(tmp_path: Path, old: Path, surface: Path) -> None:
    bands = tuple(band for band in PRODUCT_ORDER if band != "B10")
    np.testing.assert_array_equal(contents(surface, bands)[0], contents(old, bands)[0])
    safe = shutil.copytree(surface, tmp_path / surface.name)
    file = next(safe.rglob("*_B02_10m.jp2"))
    name = file.relative_to(safe).as_posix().removesuffix(".jp2")
    other = name.replace("R10m", "R60m").replace("_10m", "_60m")
    write_raster(safe / f"{other}.jp2", [coarsened(BANDS["B02"], 6)], driver="JP2OpenJPEG", pixel=60)
    text = (safe / "MTD_MSIL2A.xml").read_text()
    for first, second in ((name, other), (other, name)):
        both = f"{first}</IMAGE_FILE><IMAGE_FILE>{second}"
        (safe / "MTD_MSIL2A.xml").write_text(text.replace(name, both))
        assert open_scene(safe).sources["B02"].factor == 1


@pytest.mark.slow
def test_windows_and_threads_and_pickles_get_what_the_whole_has(new: Path) -> None:
    whole, there = contents(new)
    rng = np.random.default_rng(0)
    places = [
        (slice(*sorted(rng.choice(HEIGHT + 1, 2, replace=False))), slice(*sorted(rng.choice(WIDTH + 1, 2, False))))
        for _ in range(40)
    ]
    with open_scene(new) as scene, loads(dumps(scene)) as copy, ThreadPoolExecutor(4) as threads:
        for one in (scene, copy):
            read = threads.map(lambda place, one=one: one.read(PRODUCT_ORDER, *place), places)
            for (rows, cols), (values, valid) in zip(places, read):
                np.testing.assert_array_equal(values, whole[:, rows, cols])
                np.testing.assert_array_equal(valid, there[rows, cols])


def test_products_of_before_december_2016_are_read_too(tmp_path: Path, old: Path) -> None:
    safe = shutil.copytree(old, tmp_path / "S2A_OPER_PRD_MSIL1C_PDMC_20160929T183501.SAFE")
    text = (safe / "MTD_MSIL1C.xml").read_text().replace("IMAGE_FILE", "IMAGE_ID")
    text = re.sub(r"<IMAGE_ID>[^<]*/", "<IMAGE_ID>", text)  # no folders in these
    (safe / "MTD_MSIL1C.xml").unlink()
    (safe / "S2A_OPER_MTD_SAFL1C_PDMC_20160929T183501.xml").write_text(text)
    for path in (safe, zipped(safe)):
        np.testing.assert_array_equal(contents(path)[0], contents(old)[0])


def test_offsets_are_counted_in_the_products_order_not_in_eurosats() -> None:
    text = metadata("L1C", "05.09", -1000, []).replace('band_id="8">-1000', 'band_id="8">-900')
    assert parse_metadata(text.encode(), "x").offsets == {**dict.fromkeys(PRODUCT_ORDER, -1000), "B8A": -900}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text[:300], "damaged metadata"),
        (lambda text: text.replace("UTF-8", "UTF-9"), "damaged metadata"),
        (lambda text: '<!DOCTYPE x [<!ENTITY e "e">]>' + text, "declarations"),
        (lambda text: text.replace("Level-1C", "Level-1B"), "not the metadata"),
        (lambda text: text.replace(">10000<", ">1000<"), "1000 times"),
        (lambda text: text.replace(">10000<", ">ten<"), "ten times"),
        (lambda text: text.replace('band_id="3"', 'band_id="13"'), "band_id '13'"),
        (lambda text: text.replace('band_id="3">-1000', 'band_id="3">x'), "'x'"),
    ],
)
def test_metadata_that_cannot_be_trusted_are_refused(tmp_path: Path, new: Path, change: object, why: str) -> None:
    safe = shutil.copytree(new, tmp_path / new.name)
    text = (safe / "MTD_MSIL1C.xml").read_text()
    (safe / "MTD_MSIL1C.xml").write_text(change(text))  # type: ignore[operator]
    with pytest.raises(UserError, match=why):
        open_scene(safe)


def test_a_product_without_metadata_or_bands_is_refused(tmp_path: Path, new: Path) -> None:
    safe = shutil.copytree(new, tmp_path / new.name)
    (safe / "MTD_MSIL1C.xml").rename(tmp_path / "MTD_MSIL1C.xml")
    with pytest.raises(UserError, match=r"no MTD_MSIL1C\.xml"):
        open_scene(safe)
    with pytest.raises(UserError, match=r"no MTD_MSIL1C\.xml"):
        open_scene(zipped(safe))
    with pytest.raises(UserError, match="none of the bands"):
        open_scene(tmp_path / "MTD_MSIL1C.xml")


def test_a_missing_band_file_is_named_when_it_is_needed(tmp_path: Path, new: Path) -> None:
    safe = shutil.copytree(new, tmp_path / new.name)
    next(safe.rglob("*_B05.jp2")).unlink()
    scene = open_scene(safe)
    assert "B05" not in scene.bands
    assert "_B05.jp2 is not in the product" in scene.missing["B05"]


def test_archives_that_are_cut_off_or_reach_out_are_refused(tmp_path: Path, new: Path) -> None:
    path = zipped(new, tmp_path / "a.zip")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match="cut off"):
        open_scene(path)
    for name, why in (("../MTD_MSIL1C.xml", "outside"), ("/etc/x", "outside"), ("C:\\x", "outside")):
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            archive.writestr(name, "x")
        with pytest.raises(UserError, match=why):
            open_scene(tmp_path / "b.zip")
    link = zipfile.ZipInfo("X.SAFE/MTD_MSIL1C.xml")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="is a link"):
        open_scene(tmp_path / "b.zip")


def test_metadata_cannot_name_files_outside_the_product(tmp_path: Path, new: Path) -> None:
    safe = shutil.copytree(new, tmp_path / "in" / new.name)
    outside = next(safe.rglob("*_B02.jp2")).rename(tmp_path / "T_B02.jp2")
    text = (safe / "MTD_MSIL1C.xml").read_text()
    old = next(line for line in text.splitlines() if "_B02<" in line)
    (safe / "MTD_MSIL1C.xml").write_text(text.replace(old, f"<IMAGE_FILE>../../{outside.stem}</IMAGE_FILE>"))
    assert "B02" not in open_scene(safe).bands


# --- folders of bands ----------------------------------------------------------------------------------------------


def write_folder(folder: Path, names: dict[str, str]) -> Path:
    for band, name in names.items():
        factor = RESOLUTION[band] // 10
        write_raster(folder / name, [coarsened(BANDS[band], factor)], pixel=10 * factor)
    return folder


def test_a_folder_of_bands_is_read_by_their_names(tmp_path: Path, old: Path) -> None:
    names = {"B04": "S2_T33_B4.tif", "B03": "S2_T33_green.tif", "B05": "S2_T33_B05_20m.tif", "B8A": "S2_T33_B8A.tif"}
    folder = write_folder(tmp_path / "scene", names)
    (folder / "preview.png").write_bytes(b"not looked at")
    expected, _ = contents(old, ("B05", "B8A", "B03"))
    with open_scene(folder) as scene:
        assert scene.bands == ("B03", "B04", "B05", "B8A")
        values, valid = scene.read(("B05", "B8A", "B03"), *EVERYTHING)
    assert valid.all()  # nothing says that 0 is no data, and one band alone may be 0
    there = BANDS["B04"] > 0
    np.testing.assert_array_equal(values[:, there], expected[:, there])


def test_of_two_resolutions_the_bands_own_is_taken(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"B02": "B02_10m.tif", "B05": "B05_20m.tif"})
    write_raster(folder / "B02_20m.tif", [coarsened(BANDS["B02"], 2)], pixel=20)
    assert open_scene(folder).sources["B02"].factor == 1


def test_folders_that_are_no_scene_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nor a folder of files"):
        open_scene(tmp_path)
    write_folder(tmp_path, {"B02": "a_B02.tif", "B03": "a_B03.tif"})
    write_raster(tmp_path / "blue.tif", [BANDS["B02"]])
    with pytest.raises(UserError, match="both B02"):
        open_scene(tmp_path)
    (tmp_path / "blue.tif").unlink()
    for name, planes, profile, why in (
        ("a_B04.tif", [BANDS["B04"][6:]], {}, "do not fit"),
        ("a_B04.tif", [BANDS["B04"]], {"crs": "EPSG:32634"}, "another coordinate"),
        ("a_B04.tif", [BANDS["B04"].astype(np.float32)], {}, "B04 has float32"),
    ):
        write_raster(tmp_path / name, planes, **profile)
        with pytest.raises(UserError, match=why):
            open_scene(tmp_path)


def test_bands_cannot_be_named_where_files_name_them(new: Path) -> None:
    with pytest.raises(UserError, match="--bands"):
        open_scene(new, bands=["B02"])


def test_closing_closes_the_files_of_all_threads(new: Path) -> None:
    scene: Scene = open_scene(new)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: scene.read(["B02"], *EVERYTHING), range(4)))
    opened = list(scene.handles._all)
    scene.close()
    assert opened
    assert all(dataset.closed for dataset in opened)
