"""The demo patches are the same everywhere, and colour alone does not solve them."""

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from eurosat_cls.data.demo_patches import CLASS_NAMES, VERSION, generate

NUM_CLASSES = 10
PER_CLASS = 80


@pytest.fixture(scope="module")
def mean_colours() -> NDArray[np.float64]:
    """Mean colour of each patch, ``[classes, patches, 3]``."""
    patches = [[generate(c, n, seed=1) for n in range(PER_CLASS)] for c in range(NUM_CLASSES)]
    return np.array(patches).mean(axis=(3, 4))


def linear_accuracy(train: NDArray[np.float64], test: NDArray[np.float64]) -> float:
    """Fit a multinomial logistic regression to ``[classes, patches, features]`` and return its accuracy on ``test``."""
    centre, scale = train.mean(axis=(0, 1)), train.std(axis=(0, 1))

    def design(features: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = ((features - centre) / scale).reshape(-1, features.shape[-1])
        return np.hstack([rows, np.ones((len(rows), 1))])

    x, wanted = design(train), np.eye(len(train)).repeat(train.shape[1], axis=0)
    weights = np.zeros((x.shape[1], len(train)))
    for _ in range(3000):
        scores = np.exp(x @ weights)
        weights += x.T @ (wanted - scores / scores.sum(axis=1, keepdims=True)) / len(x)
    hits = (design(test) @ weights).argmax(axis=1) == np.arange(len(test)).repeat(test.shape[1])
    return float(hits.mean())


def test_class_names_say_demo_and_are_ten() -> None:
    assert len(CLASS_NAMES) == len(set(CLASS_NAMES)) == NUM_CLASSES
    assert sorted(CLASS_NAMES) == CLASS_NAMES
    assert all(name.startswith("Demo") for name in CLASS_NAMES)


@pytest.mark.parametrize("class_index", range(NUM_CLASSES))
def test_patch_is_an_rgb_picture_with_structure(class_index: int) -> None:
    patch = generate(class_index, 0, seed=0)
    assert patch.shape == (3, 64, 64)
    assert patch.dtype == np.uint8
    assert patch.flags.c_contiguous
    assert all(len(np.unique(band)) > 4 for band in patch)


@pytest.mark.parametrize("class_index", range(NUM_CLASSES))
def test_patch_depends_on_class_number_and_seed_alone(class_index: int) -> None:
    first = generate(class_index, 5, seed=3)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what must not move
    assert not np.array_equal(first, generate(class_index, 6, seed=3))
    assert not np.array_equal(first, generate(class_index, 5, seed=4))
    assert not np.array_equal(first, generate((class_index + 1) % NUM_CLASSES, 5, seed=3))
    assert generate(np.int64(class_index), np.int64(5), seed=np.int64(3)).tobytes() == first.tobytes()
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_patches_of_a_set_never_repeat() -> None:
    patches = {generate(c, n, seed).tobytes() for c in range(NUM_CLASSES) for n in range(4) for seed in range(4)}
    assert len(patches) == NUM_CLASSES * 4 * 4


@pytest.mark.slow
def test_pictures_are_those_of_the_version() -> None:
    digest = hashlib.sha256()
    for class_index in range(NUM_CLASSES):
        for number in range(20):
            digest.update(generate(class_index, number, seed=0).tobytes())
    assert (VERSION, digest.hexdigest()) == (
        1,
        "fc0ce832eb577ede53281e3871f1c5260e41e19b51ccab9c3c2d2568f8de1cb5",
    ), "the demo pictures changed: raise VERSION in demo_patches.py, then store the new digest here"


@pytest.mark.slow
def test_mean_colour_helps_but_does_not_solve_the_task(mean_colours: NDArray[np.float64]) -> None:
    accuracy = linear_accuracy(mean_colours[:, : PER_CLASS // 2], mean_colours[:, PER_CLASS // 2 :])
    assert 0.15 < accuracy < 0.70


def test_mean_colours_of_classes_overlap(mean_colours: NDArray[np.float64]) -> None:
    centre, spread = mean_colours.mean(axis=1), mean_colours.std(axis=1)
    for class_index in range(NUM_CLASSES):
        gap = np.abs(centre - centre[class_index]) / (spread + spread[class_index])
        gap[class_index] = np.inf
        assert gap.max(axis=1).min() < 1, f"{CLASS_NAMES[class_index]} stands apart by its mean colour"


@pytest.mark.parametrize(
    ("class_index", "number", "seed", "message"),
    [
        (10, 0, 0, "demo class 10 does not exist: choose 0 to 9"),
        (-1, 0, 0, "demo class -1 does not exist: choose 0 to 9"),
        (0, -1, 0, "demo patch number -1 with seed 0: both must be 0 or more"),
        (0, 0, -2, "demo patch number 0 with seed -2: both must be 0 or more"),
    ],
)
def test_impossible_patch_is_refused_by_name(class_index: int, number: int, seed: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(class_index, number, seed)
