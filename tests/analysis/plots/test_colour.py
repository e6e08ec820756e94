"""Patches of any bands are shown in colours that compare."""

import numpy as np
import pytest

from eurosat_cls.analysis.plots.colour import colour_name, displayed, stretch_limits, to_rgb
from eurosat_cls.data.sentinel2 import BANDS


@pytest.mark.parametrize(
    ("bands", "channels", "name"),
    [
        (BANDS, [3, 2, 1], "true colour (B04, B03, B02)"),
        (("B04", "B03", "B02"), [0, 1, 2], "true colour (B04, B03, B02)"),
        (("B08", "B11", "B12", "B8A"), [0, 1, 2], "false colour (B08, B11, B12)"),
        (("B08", "B04"), [0], "B08 in grey"),
        (("blue", "green", "red"), [2, 1, 0], "true colour (red, green, blue)"),
    ],
)
def test_true_colour_where_there_is_one(bands: tuple[str, ...], channels: list[int], name: str) -> None:
    assert displayed(bands) == channels
    assert colour_name(bands) == name


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_the_stretch_puts_percentiles_at_black_and_white(dtype: str) -> None:
    images = np.random.default_rng(0).integers(20, 120, (5, 3, 16, 16)).astype(dtype)
    images[:, 1] *= 2
    shown = to_rgb(images, *stretch_limits(images))
    assert shown.shape == (5, 16, 16, 3)
    assert shown.dtype == np.uint8
    for channel in range(3):
        assert 0.01 < (shown[..., channel] == 0).mean() < 0.04
        assert 0.01 < (shown[..., channel] == 255).mean() < 0.04


def test_patches_keep_their_differences_in_brightness() -> None:
    dark, bright = np.random.default_rng(0).integers(0, 50, (2, 1, 3, 8, 8))
    images = np.concatenate([dark, bright + 200]).astype(np.uint16)
    shown = to_rgb(images, *stretch_limits(images))
    assert shown[0].max() < shown[1].min()


def test_one_band_is_grey_and_a_constant_one_no_error() -> None:
    images = np.full((2, 1, 4, 4), 7, np.uint16)
    shown = to_rgb(images, *stretch_limits(images))
    assert shown.shape == (2, 4, 4, 3)
    assert (shown == shown[0, 0, 0, 0]).all()
