"""The sample, and the directions of features."""

from typing import Any

import numpy as np
import pytest

from eurosat_cls import UserError
from eurosat_cls.analysis.projector_files import LARGEST, draw_sprite, spherized, stratified_sample


def test_a_sample_keeps_the_shares_of_the_classes() -> None:
    labels = np.repeat([0, 1, 2], [600, 390, 10])
    chosen = stratified_sample(labels, 100, 0)
    assert np.bincount(labels[chosen]).tolist() == [60, 39, 1]
    assert (np.diff(chosen) > 0).all()
    assert (stratified_sample(labels, 100, 0) == chosen).all()
    assert (stratified_sample(labels, 100, 1) != chosen).any()
    assert (labels[stratified_sample(labels, 5, 0)] == 2).sum() > 0, "no class is left out"
    assert stratified_sample(labels, 5000, 0).tolist() == list(range(1000))


def test_a_sample_of_several_labels_has_the_rare_ones() -> None:
    labels = np.zeros((200, 3))
    labels[:, 0], labels[50:60, 2] = 1, 1
    chosen = stratified_sample(labels, 20, 0)
    assert len(chosen) == 20
    assert labels[chosen, 2].sum() == 1


def test_the_state_of_numpys_generator_does_not_matter() -> None:
    labels = np.repeat([0, 1], 50)
    state: Any = np.random.get_state()  # noqa: NPY002
    first = stratified_sample(labels, 10, 3)
    after: Any = np.random.get_state()  # noqa: NPY002
    assert (after[1] == state[1]).all()
    np.random.seed(1)  # noqa: NPY002
    assert (stratified_sample(labels, 10, 3) == first).all()


def test_spherized_features_are_directions_from_the_mean() -> None:
    features = np.array([[1.0, 1.0], [3.0, 1.0], [2.0, 4.0], [2.0, 2.0]], np.float32)
    found = spherized(features)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1)[:3], 1, rtol=1e-6)
    np.testing.assert_array_equal(found[3], 0)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "side"), [(5, 32), (1000, 32), (70_000, 30)])
def test_a_sprite_is_a_square_that_tensorboard_takes(count: int, side: int) -> None:
    images = np.zeros((count, 4, 8, 3), np.uint8)
    images[-1] = 200
    sprite, size = draw_sprite(images, 32)
    assert size == (side, side // 2)
    assert max(sprite.shape) <= LARGEST
    in_row = sprite.shape[1] // size[0]
    y, x = (count - 1) // in_row * size[1], (count - 1) % in_row * size[0]
    assert (sprite[y : y + size[1], x : x + size[0]] == 200).all()
    assert (sprite[0, 0] == 0).all()


def test_more_thumbnails_than_fit_are_refused() -> None:
    with pytest.raises(UserError, match="do not fit"):
        draw_sprite(np.broadcast_to(np.uint8(0), (1100**2, 1, 1, 3)), 32)
