"""Coarse bands on the fine grid: by the published spline, and the same whatever window is read."""

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling

from eurosat_cls.scenes.resample import read_coarse


def band(height: int, width: int, holes: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 65536, (height, width)).astype(np.uint16)
    return values, rng.random((height, width)) > 0.1 if holes else np.ones((height, width), bool)


def read(values: np.ndarray, valid: np.ndarray, factor: int, rows: slice, cols: slice) -> tuple[np.ndarray, np.ndarray]:
    return read_coarse(lambda window: (values[window][None], valid[window]), values.shape, factor, rows, cols)


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("factor", [2, 3, 6])
def test_a_window_equals_that_part_of_the_whole_byte_for_byte(factor: int, holes: bool) -> None:
    values, valid = band(23, 31, holes)
    height, width = 23 * factor, 31 * factor
    whole, there = read(values, valid, factor, slice(0, height), slice(0, width))
    rng = np.random.default_rng(1)
    for _ in range(100):
        top, bottom = sorted(rng.choice(height + 1, 2, replace=False))
        left, right = sorted(rng.choice(width + 1, 2, replace=False))
        part, part_there = read(values, valid, factor, slice(top, bottom), slice(left, right))
        np.testing.assert_array_equal(part, whole[top:bottom, left:right])
        np.testing.assert_array_equal(part_there, there[top:bottom, left:right])


@pytest.mark.parametrize("factor", [2, 6])
def test_the_spline_is_that_of_gdal(factor: int, tmp_path: object) -> None:
    values, valid = band(40, 50, holes=False)
    whole, _ = read(values, valid, factor, slice(0, 40 * factor), slice(0, 50 * factor))
    profile = {"driver": "GTiff", "height": 40, "width": 50, "count": 1, "dtype": "uint16"}
    with rasterio.open(f"{tmp_path}/a.tif", "w", **profile) as dataset:
        dataset.write(values, 1)
    with rasterio.open(f"{tmp_path}/a.tif") as dataset:
        expected = dataset.read(1, out_shape=whole.shape, resampling=Resampling.cubic_spline)
    difference = np.abs(whole.astype(int) - expected)
    assert difference.max() <= 1  # GDAL sums in float32
    assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize("factor", [2, 6])
def test_missing_pixels_have_no_part_in_others(factor: int) -> None:
    values, valid = band(12, 12, holes=True)
    windows = (slice(0, 12 * factor), slice(0, 12 * factor))
    other = np.where(valid, values, 1).astype(np.uint16)
    one, there = read(np.where(valid, values, 60000).astype(np.uint16), valid, factor, *windows)
    two, _ = read(other, valid, factor, *windows)
    np.testing.assert_array_equal(one[there], two[there])
    np.testing.assert_array_equal(there, valid.repeat(factor, 0).repeat(factor, 1))
    assert one[there].min() >= values[valid].min()


@pytest.mark.parametrize("factor", [2, 6])
def test_an_offset_may_be_taken_out_before(factor: int) -> None:
    values, valid = band(15, 15, holes=True)
    values = (values // 2 + 1).astype(np.uint16)
    windows = (slice(0, 15 * factor), slice(0, 15 * factor))
    without, there = read(values, valid, factor, *windows)
    shifted, _ = read(values + 1000, valid, factor, *windows)
    np.testing.assert_array_equal(shifted[there], without[there] + 1000)
