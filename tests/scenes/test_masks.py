"""What is left out of a scene: clouds as products mark them, and masks of one's own."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from rasterio.warp import Resampling, reproject, transform_bounds

from eurosat_cls.scenes import open_scene
from eurosat_cls.utils.errors import UserError
from tests.scenes.products import CRS, TRANSFORM, random_bands, write_product, write_raster, write_scene

HEIGHT, WIDTH = 96, 120
BANDS = {band: values for band, values in random_bands(HEIGHT, WIDTH).items() if band in ("B02", "B03", "B04")}
BLOCKS = np.random.default_rng(3).random((HEIGHT // 6, WIDTH // 6)) > 0.6
CLOUDS = BLOCKS.repeat(6, 0).repeat(6, 1)
WINDOW = (slice(7, 91), slice(11, 101))


@pytest.mark.parametrize(("level", "baseline"), [("L2A", "02.06"), ("L2A", "05.09"), ("L1C", "05.09")])
def test_clouds_are_those_that_the_product_marks(tmp_path: Path, level: str, baseline: str) -> None:
    safe = write_product(tmp_path, BANDS, level, baseline, clouds=CLOUDS[::2, ::2])
    with open_scene(safe, mask="clouds") as scene:
        np.testing.assert_array_equal(scene.excluded(*WINDOW), CLOUDS[WINDOW])


@pytest.mark.parametrize(("code", "cloud"), [(0, 0), (2, 0), (3, 1), (4, 0), (7, 0), (8, 1), (9, 1), (10, 1), (11, 0)])
def test_clouds_of_a_scene_classification_are_shadows_clouds_and_cirrus(tmp_path: Path, code: int, cloud: int) -> None:
    for band, values in BANDS.items():
        write_raster(tmp_path / f"{band}.tif", [values])
    scl = np.full((HEIGHT // 2, WIDTH // 2), code, np.uint8)
    write_raster(tmp_path / "SCL.tif", [scl], pixel=20)
    with open_scene(tmp_path, mask="clouds") as scene:
        assert scene.excluded(*WINDOW).mean() == cloud


def test_a_scene_without_a_mask_of_clouds_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"baseline 02\.06 .*since 04\.00.*--mask FILE"):
        open_scene(write_product(tmp_path, BANDS), mask="clouds")
    with pytest.raises(UserError, match="no SCL band"):
        open_scene(write_scene(tmp_path / "a.tif", BANDS), mask="clouds")
    with open_scene(tmp_path / "a.tif") as scene:
        assert scene.excluded(*WINDOW) is None


@pytest.mark.parametrize("factor", [1, 2, 6])
def test_a_mask_on_the_scenes_grid_leaves_out_what_is_not_0(tmp_path: Path, factor: int) -> None:
    path = write_scene(tmp_path / "a.tif", BANDS)
    marked = CLOUDS[::factor, ::factor].astype(np.uint8) * 7
    marked[0] = 255
    mask = write_raster(tmp_path / "mask.tif", [marked], pixel=10 * factor, nodata=255)
    with open_scene(path, mask=mask) as scene:
        np.testing.assert_array_equal(scene.excluded(*WINDOW), CLOUDS[WINDOW])
        assert not scene.excluded(slice(0, 1), slice(0, WIDTH)).any()


def test_a_mask_in_another_system_is_brought_to_the_scene_the_same_in_every_window(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "a.tif", BANDS)
    bounds = (TRANSFORM.c, TRANSFORM.f - 10 * HEIGHT, TRANSFORM.c + 10 * WIDTH, TRANSFORM.f)
    west, south, east, north = transform_bounds(CRS, "EPSG:3035", *bounds)
    transform, height, width = Affine(2.5, 0, west, 0, -2.5, north), int(north - south) // 2, int(east - west) // 2
    marked = np.zeros((height, width), np.uint8)
    reproject(CLOUDS.astype(np.uint8), marked, src_transform=TRANSFORM, src_crs=CRS, dst_transform=transform,
              dst_crs="EPSG:3035", resampling=Resampling.nearest)  # fmt: skip
    mask = write_raster(tmp_path / "mask.tif", [marked], transform=transform, crs="EPSG:3035")
    with open_scene(path, mask=mask) as scene:
        whole = scene.excluded(slice(0, HEIGHT), slice(0, WIDTH))
        assert (whole == CLOUDS).mean() > 0.97
        for start in range(0, HEIGHT, 7):
            rows = slice(start, min(start + 7, HEIGHT))
            np.testing.assert_array_equal(scene.excluded(rows, slice(5, 100)), whole[rows, 5:100])


def test_masks_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "a.tif", BANDS)
    marked = CLOUDS.astype(np.uint8)
    far = write_raster(tmp_path / "far.tif", [marked], transform=Affine(10, 0, 1e5, 0, -10, 1e6))
    bare = write_raster(tmp_path / "bare.tif", [marked[1:]], crs=None, transform=None)
    two = write_raster(tmp_path / "two.tif", [marked, marked])
    for mask, why in ((tmp_path / "gone.tif", "no such file"), (far, "does not reach"), (bare, "needs the 96 x 120"),
                      (two, "2 bands"), ("cloud", "no such file")):  # fmt: skip
        with pytest.raises(UserError, match=why):
            open_scene(path, mask=mask)
