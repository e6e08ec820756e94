"""Windows and cells: what every cell of a map is the mean of."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from eurosat_cls import UserError, map_scene
from eurosat_cls.scenes.layout import Axis, Layout
from eurosat_cls.scenes.settings import MapOptions
from tests.scenes.maps import pixels, predicted, reference_cells, small_model, write_scene

SIZES = [
    (128, 160, 32, 16),
    (133, 101, 32, 16),
    (100, 96, 32, 32),
    (90, 75, 32, 12),
    (64, 64, 64, 64),
    (70, 200, 64, 8),
]


@pytest.mark.parametrize(("height", "width", "window", "step"), SIZES)
def test_cells_are_the_mean_of_the_windows_over_them(height: int, width: int, window: int, step: int) -> None:
    model, values = small_model(), pixels(height, width)
    found = map_scene(model, values, options=MapOptions(window=window, step=step, batch_size=7))
    expected, _ = reference_cells(model, values, np.ones((height, width), bool), window, step)
    np.testing.assert_allclose(np.moveaxis(found.probabilities, 0, 2), expected, atol=1e-5)
    assert (found.classes == expected.argmax(2)).all()
    assert found.confidence == pytest.approx(expected.max(2), abs=1e-5)


@pytest.mark.parametrize("min_valid", [0.3, 0.5, 0.9])
def test_windows_with_few_valid_pixels_are_not_trusted(min_valid: float) -> None:
    model, values = small_model(), pixels(120, 140)
    valid = np.ones((120, 140), bool)
    valid[:50, :60] = False
    valid[80:, 100:] = np.random.default_rng(0).random((40, 40)) < 0.6
    found = map_scene(model, values, options=MapOptions(window=32, step=16, min_valid=min_valid), valid=valid)
    expected, known = reference_cells(model, values, valid, 32, 16, min_valid)
    assert (np.isfinite(found.confidence) == known).all()
    assert 0 < known.mean() < 1
    assert (found.classes[~known] == 255).all()
    assert (found.classes[known] == expected.argmax(2)[known]).all()


@pytest.mark.slow
def test_each_axis_is_covered_by_windows_and_cells() -> None:
    for length in (64, 65, 100, 127, 128, 10_980):
        for window, step in ((64, 64), (64, 32), (64, 24), (64, 1), (16, 7)):
            axis = Axis(length, window, step)
            covered = np.zeros(length, bool)
            for start in axis.starts:
                covered[start : start + window] = True
            assert covered.all()
            over = (axis.starts[None] <= axis.edges[:-1, None]) & (axis.starts[None] + window >= axis.edges[1:, None])
            assert over.any(1).all()
            for cell in range(0, axis.cells, max(1, axis.cells // 50)):
                assert np.flatnonzero(over[cell]).tolist() == list(range(axis.first[cell], axis.last[cell] + 1))


def test_rows_of_pixels_belong_to_one_group_each() -> None:
    for height in (64, 100, 131, 500):
        for step in (64, 32, 7):
            layout = Layout(height, 90, 64, step, 5)
            end = 0
            for group in range(layout.groups):
                own, read = layout.own_pixels(group, group + 1), layout.pixels_of(group, group + 1)
                assert own.start == end
                assert read.start <= own.start <= own.stop <= read.stop
                end = own.stop
            assert end == height


@pytest.mark.parametrize("step", [0, 65])
def test_impossible_steps_are_refused(step: int) -> None:
    with pytest.raises(UserError, match="--step"):
        map_scene(small_model(), pixels(100, 100), options=MapOptions(step=step))


def test_a_scene_smaller_than_a_window_is_refused() -> None:
    with pytest.raises(UserError, match="smaller than one window of 64 x 64"):
        map_scene(small_model(), pixels(100, 63))


def test_eight_views_are_the_mean_of_flips_and_rotations() -> None:
    model, values = small_model(), pixels(64, 64)
    plain = map_scene(model, values, options=MapOptions(step=64, views=8)).probabilities[:, 0, 0]
    turned = [np.rot90(flipped, k, (1, 2)) for flipped in (values, values[:, :, ::-1]) for k in range(4)]
    expected = predicted(small_model(), np.ascontiguousarray(np.stack(turned))).mean(0)
    np.testing.assert_allclose(plain, expected, atol=1e-5)


def test_probabilities_are_calibrated_where_asked_for() -> None:
    model = small_model()
    model.temperature.fill_(3.0)
    raw = map_scene(model, pixels(64, 64), options=MapOptions(step=64)).confidence
    assert map_scene(model, pixels(64, 64), options=MapOptions(step=64, calibrate=True)).confidence < raw


def test_binary_and_multilabel_models_decide_by_their_thresholds() -> None:
    values = pixels(96, 96)
    binary = small_model(("no", "yes"), task="binary")
    binary.threshold.fill_(0.8)
    found = map_scene(binary, values, options=MapOptions(window=32, step=32))
    assert (found.classes == (found.probabilities[1] > 0.8)).all()
    several = small_model(("a", "b", "c"), task="multilabel")
    several.threshold.copy_(torch.tensor([0.2, 0.5, 0.8]))
    found = map_scene(several, values, options=MapOptions(window=32, step=32))
    assert (found.classes == (found.probabilities > np.array([0.2, 0.5, 0.8])[:, None, None])).all()
    sure = np.where(found.classes == 1, found.probabilities, 1 - found.probabilities)
    np.testing.assert_allclose(found.confidence, sure.min(0), atol=1e-6)


def test_more_classes_than_a_byte_can_hold_are_refused() -> None:
    with pytest.raises(UserError, match="251 classes"):
        map_scene(small_model([f"class {k}" for k in range(251)]), pixels(64, 64))


@pytest.mark.slow
def test_the_maps_of_a_file_and_of_an_array_are_equal(tmp_path: Path) -> None:
    model, values = small_model(), pixels(150, 170)
    folder = map_scene(model, write_scene(tmp_path / "scene.tif", values), tmp_path / "maps",
                       options=MapOptions(window=32, step=16))  # fmt: skip
    found = map_scene(model, values, options=MapOptions(window=32, step=16))
    with rasterio.open(folder / "classes.tif") as dataset:
        assert (dataset.read(1) == found.classes).all()
    with rasterio.open(folder / "probabilities.tif") as dataset:
        assert (dataset.read()[:-1] == found.probabilities).all()
        assert (dataset.read(dataset.count) == found.confidence).all()
        assert dataset.descriptions == (*model.class_names, "confidence")
