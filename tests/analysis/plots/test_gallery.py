"""Galleries: every patch and caption has a place of its own."""

import numpy as np
import pytest

from eurosat_cls.analysis.plots.gallery import Row, _fitting, _wrap, draw_gallery


def tiles(count: int, size: int, value: int = 200) -> np.ndarray:
    return np.full((count, size, size, 3), value, np.uint8)


@pytest.mark.parametrize(("size", "drawn"), [(64, 128), (32, 128), (100, 100), (512, 256)])
def test_patches_are_drawn_at_a_size_that_can_be_seen(size: int, drawn: int) -> None:
    image = draw_gallery("", [Row("", tiles(3, size, 77), ["", "", ""])])
    assert image.dtype == np.uint8
    assert (image == 77).all(axis=2).sum() == 3 * drawn**2


def test_pixels_of_small_patches_are_repeated_not_smoothed() -> None:
    patch = np.random.default_rng(0).integers(1, 250, (1, 64, 64, 3), dtype=np.uint8)
    image = draw_gallery("", [Row("", patch, [""])])
    corner = np.argwhere((image != 255).any(axis=2))[0]
    drawn = image[corner[0] : corner[0] + 128, corner[1] : corner[1] + 128]
    np.testing.assert_array_equal(drawn, patch[0].repeat(2, 0).repeat(2, 1))


def test_captions_and_titles_are_written_and_take_room_only_where_they_are() -> None:
    plain = draw_gallery("", [Row("", tiles(2, 64), ["", ""])])
    titled = draw_gallery("", [Row("River", tiles(2, 64), ["", ""])])
    captioned = draw_gallery("", [Row("", tiles(2, 64), ["12", ""])])
    assert len(plain) < len(captioned) < len(titled)
    assert (captioned < 150).any()


def test_rows_side_by_side_fill_columns() -> None:
    rows = [Row("", tiles(2, 64, value), ["", ""]) for value in (10, 20, 30)]
    image = draw_gallery("", rows, side_by_side=2)[:, :, 0]
    y, x = (np.array([np.argwhere(image == value)[0][axis] for value in (10, 20, 30)]) for axis in (0, 1))
    assert y[0] < y[1]
    assert x[0] == x[1]
    assert y[2] == y[0]
    assert x[2] > x[0] + 2 * 128


def test_a_mixture_is_broken_before_its_plus() -> None:
    assert _wrap("60% River + 40% Pasture", 110) == ["60% River", "+ 40% Pasture"]
    assert _wrap("River", 110) == ["River"]
    assert _wrap("", 110) == []


def test_what_does_not_fit_ends_in_dots() -> None:
    assert _wrap("x" * 100, 110)[0].endswith("x...")
    assert len(_wrap("many words " * 40, 110)) == 4
    assert _fitting("short", 110, 10) == "short"


def test_names_beyond_ascii_are_written() -> None:
    boxes, letters = (draw_gallery("", [Row(name, tiles(1, 64), [""])]) for name in ("\ufffe\ufffe", "éü"))
    assert not np.array_equal(boxes, letters)
