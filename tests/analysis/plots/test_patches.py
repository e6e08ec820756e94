"""Patches of every class, and of augmentations and batches."""

import subprocess
import sys

import numpy as np
import pytest

from eurosat_cls.analysis.plots.augmentations import draw_augmentations
from eurosat_cls.analysis.plots.batch import draw_batch
from eurosat_cls.analysis.plots.patches import choose_patches, draw_patches
from tests.conftest import subprocess_env


def test_patches_are_chosen_from_their_class_and_part_only() -> None:
    labels = np.arange(60) % 3
    rows = np.arange(0, 60, 2)
    chosen = choose_patches(labels, rows, 3)
    assert [k for k, _ in chosen] == [0, 1, 2]
    for k, patches in chosen:
        assert len(patches) == len(set(patches)) == 8
        assert set(patches) <= set(rows)
        assert (labels[patches] == k).all()


def test_a_patch_of_several_classes_is_shown_for_each() -> None:
    labels = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]], np.uint8)
    chosen = {k: patches.tolist() for k, patches in choose_patches(labels, np.arange(3), 3)}
    assert chosen == {0: [0], 1: [0, 1]}


def test_of_many_classes_the_most_frequent_are_shown() -> None:
    labels = np.concatenate([np.repeat(np.arange(100), 2), np.repeat(np.arange(50, 70), 5)])
    chosen = choose_patches(labels, np.arange(len(labels)), 100)
    assert [k for k, _ in chosen] == list(range(50, 70))
    assert {len(patches) for _, patches in chosen} == {4}


@pytest.mark.parametrize(("classes", "bands", "dtype"), [(10, 3, "uint8"), (20, 13, "uint16"), (3, 1, "float32")])
def test_the_picture_has_a_row_for_each_class(classes: int, bands: int, dtype: str) -> None:
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 200, (4, bands, 64, 64)).astype(dtype) for _ in range(classes)]
    names = [f"class {k}" for k in range(classes)]
    picture = draw_patches(images, range(classes), [["1"] * 4] * classes, names, [f"b{c}" for c in range(bands)])
    rows = classes if classes <= 10 else classes // 2
    assert picture.shape[0] > rows * 128
    assert picture.shape[1] > (4 if classes <= 10 else 8) * 128
    assert picture.std() > 30


def test_augmented_patches_are_stretched_as_the_originals() -> None:
    original = np.random.default_rng(0).integers(0, 100, (4, 3, 64, 64), dtype=np.uint16)
    rows = [("brighter", original + 50, [""] * 4), ("same", original, [""] * 4)]
    picture = draw_augmentations(original, rows, ["r", "g", "b"], ["a", "b", "c", "d"]).astype(int)
    height = (len(picture) - 70) // 3
    first, second, third = (picture[70 + n * height : 70 + (n + 1) * height] for n in range(3))
    assert second.mean() > first.mean() + 20
    assert abs(third.mean() - first.mean()) < 10


def test_a_batch_shows_its_first_patches_and_says_so() -> None:
    images = np.random.default_rng(0).integers(0, 200, (40, 3, 64, 64), dtype=np.uint8)
    shares = np.eye(4, dtype=np.float32)[np.arange(40) % 4]
    picture = draw_batch(images, shares, ["a", "b", "c", "d"], ["B04", "B03", "B02"])
    assert picture.shape[1] > 8 * 128
    assert 4 * 128 < picture.shape[0] < 6 * 128
    small = draw_batch(images[:3], np.arange(3), ["a", "b", "c", "d"], ["B04", "B03", "B02"])
    assert small.shape[0] < 300


@pytest.mark.slow
def test_a_batch_is_drawn_without_loading_matplotlib() -> None:
    code = "import sys, eurosat_cls.analysis.plots.batch; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=subprocess_env())
