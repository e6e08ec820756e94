"""Maps over patches: where a map is high it is bright, and the patch can still be seen."""

import numpy as np
import pytest

from eurosat_cls.analysis.hard_examples import ClassTarget, HardExample, HardExamples, ScoredTarget
from eurosat_cls.analysis.plots.attention import draw_attention
from eurosat_cls.analysis.plots.gallery import Row, draw_gallery
from eurosat_cls.analysis.plots.gradcam import draw_evidence, draw_rollouts
from eurosat_cls.analysis.plots.misclassified import draw_misclassified, short_file
from eurosat_cls.analysis.plots.overlay import enlarge, overlay, scaled

BANDS = ["B04", "B03", "B02"]


def hardest(errors: int, hits: int, name: str = "River") -> HardExamples:
    case = HardExample(
        0, ScoredTarget(ClassTarget(name, 1, 1), 0.976), ScoredTarget(ClassTarget("Forest", 0, 1), 0.012)
    )
    return HardExamples([case] * errors, [case] * hits)


def patches(count: int, size: int = 64, bands: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, (count, bands, size, size), dtype=np.uint8)


def grey(picture: np.ndarray) -> np.ndarray:
    return picture.astype(float) @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_higher_cell_is_brighter_on_any_patch(level: int) -> None:
    cells = np.linspace(0, 1, 8)[None].repeat(8, 0)
    laid = overlay(np.full((64, 64, 3), level, np.uint8), cells, smooth=False)
    brightness = grey(laid)[4, 4::8]
    if level < 255:
        assert (np.diff(brightness) > 0).all()
    else:
        assert np.ptp(brightness) > 40
    assert len({tuple(pixel) for pixel in laid[4, 4::8]}) == 8, "no two levels look alike"


def test_the_patch_shines_through_everywhere() -> None:
    dark, bright = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    for value in (0.0, 0.5, 1.0):
        cells = np.full((4, 4), value)
        difference = overlay(bright, cells).astype(int) - overlay(dark, cells)
        assert difference.min() > 60


def test_cells_lie_over_their_part_of_the_patch() -> None:
    cells = np.zeros((4, 4))
    cells[1, 3] = 1
    laid = grey(overlay(np.full((64, 64, 3), 60, np.uint8), cells))
    assert np.unravel_index(laid.argmax(), laid.shape)[0] in range(16, 32)
    assert np.unravel_index(laid.argmax(), laid.shape)[1] in range(48, 64)


def test_a_map_of_nothing_stays_nothing() -> None:
    assert not scaled(np.zeros((3, 3))).any()
    assert scaled(np.array([[1.0, 3.0]])).tolist() == [[1 / 3, 1]]
    assert scaled(np.array([[1.0, 3.0]]), 1.0).tolist() == [[0, 1]]


@pytest.mark.parametrize(("size", "side"), [(32, 192), (64, 192), (100, 200), (224, 224)])
def test_small_patches_are_enlarged_by_whole_pixels(size: int, side: int) -> None:
    assert enlarge(np.zeros((1, size, size, 3), np.uint8)).shape == (1, side, side, 3)


@pytest.mark.slow
@pytest.mark.parametrize(("errors", "hits"), [(12, 12), (0, 3), (1, 0)])
@pytest.mark.parametrize(("size", "bands"), [(64, 3), (32, 1), (224, 3)])
def test_pictures_of_any_number_of_patches_are_drawn(errors: int, hits: int, size: int, bands: int) -> None:
    count, names = errors + hits, BANDS[:bands]
    cases, images, files = hardest(errors, hits), patches(errors + hits, size, bands), ["a/b_1.png"] * count
    maps = np.random.default_rng(0).random((count, 2, 4, 4))
    gallery = draw_misclassified(images, cases, files, names)
    evidence = draw_evidence(images, cases, maps, files, names)
    rollouts = draw_rollouts(images, cases, maps[:, 0], files, names)
    for picture in (gallery, evidence, rollouts):
        assert picture.dtype == np.uint8
        assert picture.std() > 20


def test_a_map_without_evidence_is_named() -> None:
    cases, images = hardest(1, 0), patches(1)
    none, some = (draw_evidence(images, cases, np.full((1, 2, 4, 4), v), ["f"], BANDS) for v in (0.0, 1.0))
    assert len(none) == len(some) + 15, "a line more"


def test_attention_has_a_row_for_each_class_and_a_tile_for_each_layer() -> None:
    maps = np.random.default_rng(0).random((20, 4, 8, 8))
    picture = draw_attention(patches(20), maps, [f"class {k}" for k in range(20)], BANDS, "epoch 1")
    assert picture.shape[1] == pytest.approx(2 * 5 * 134, abs=60)
    assert picture.shape[0] > 10 * 150
    deep = draw_attention(patches(2), maps[:2].repeat(4, 1), ["a", "b"], BANDS)
    assert deep.shape[1] > 17 * 134


def test_lines_of_a_caption_stay_lines() -> None:
    tile = np.zeros((1, 64, 64, 3), np.uint8)
    one, three = (draw_gallery("", [Row("", tile, [text])]) for text in ("a b c", "a\nb\nc"))
    assert len(three) == len(one) + 2 * 15


def test_a_long_file_name_keeps_its_number() -> None:
    assert short_file("2750/HerbaceousVegetation/HerbaceousVegetation_1277.jpg").endswith("1277.jpg")
