"""Reconstructions are drawn in the colours of their originals."""

import numpy as np
import pytest

from eurosat_cls.analysis.plots.reconstructions import draw_reconstructions


def rows(picture: np.ndarray) -> list[np.ndarray]:
    """The first patch of each row."""
    tops = [90 + number * 160 for number in range(4)]
    return [picture[top : top + 120, 20:140].astype(int) for top in tops]


@pytest.mark.parametrize(("bands", "dtype"), [(["B04", "B03", "B02"], "uint8"), (["VV", "VH"], "float32")])
def test_hidden_values_are_restored_and_visible_ones_are_the_originals(bands: list[str], dtype: str) -> None:
    generator = np.random.default_rng(0)
    original = generator.integers(0, 100, (3, len(bands), 64, 64)).astype(dtype)
    mask = np.zeros((3, 1, 64, 64), bool)
    mask[..., :32] = True
    masked = np.where(mask, 50, original)
    picture = draw_reconstructions(original, masked, np.full_like(original, 99), mask, bands, [0.5, 0.25, 1.0])
    assert picture.dtype == np.uint8
    first, second, third, fourth = rows(picture)
    left, right = slice(0, 40), slice(70, 115)
    assert np.array_equal(second[:, right], first[:, right])
    assert np.array_equal(third[:, right], first[:, right])
    assert second[:, left].std() < 1 < 20 < first[:, left].std()
    assert third[:, left].min() > 240
    assert fourth.min() > 240


def test_a_hidden_band_is_that_band_of_every_pixel() -> None:
    original = np.random.default_rng(0).integers(0, 100, (2, 3, 64, 64)).astype(np.float32)
    mask = np.zeros((2, 3, 1, 1), bool)
    mask[:, 0] = True
    picture = draw_reconstructions(
        original, np.where(mask, 0, original), np.full_like(original, 99), mask, ["B04", "B03", "B02"], [1.0, 1.0]
    )
    first, second, third, _ = rows(picture)
    assert second[..., 0].max() == 0
    assert third[..., 0].min() > 240
    assert np.array_equal(third[..., 1:], first[..., 1:])
