"""Few shots and fractions: exact, stratified, nested, and only of the training part."""

from itertools import pairwise

import numpy as np
import pytest

from eurosat_cls.data.splits import RandomSplit, Split, take_subset
from eurosat_cls.data.store.store import Store
from eurosat_cls.utils.errors import UserError
from tests.data.splits.helpers import eurosat_names, eurosat_store, make_store, members, multilabel_store, shuffled


def divided(store: Store) -> Split:
    return RandomSplit().divide(store)


def test_nothing_taken_away_is_the_same_split() -> None:
    store = eurosat_store(50)
    split = divided(store)
    assert take_subset(split, store) == split
    everything = take_subset(split, store, shots_per_class=30)
    np.testing.assert_array_equal(everything.train, split.train)
    assert everything.sha256 == split.sha256


@pytest.mark.parametrize("shots", [1, 2, 7, 30])
def test_shots_are_exact_in_every_class(shots: int) -> None:
    store = eurosat_store(50)
    split = divided(store)
    subset = take_subset(split, store, shots_per_class=shots)
    assert np.bincount(store.labels[subset.train]).tolist() == [shots] * 10
    assert set(subset.train) <= set(split.train)
    assert (np.diff(subset.train) > 0).all()
    assert subset.train.dtype == np.int64
    np.testing.assert_array_equal(subset.val, split.val)
    np.testing.assert_array_equal(subset.test, split.test)
    assert (subset.sha256 == split.sha256) == (shots == 30)
    assert subset.method == split.method


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 0.999])
def test_a_fraction_keeps_the_shares_of_the_classes(fraction: float) -> None:
    store = make_store(*eurosat_names(counts=[10 * (k + 1) for k in range(10)]))
    split = divided(store)
    subset = take_subset(split, store, train_fraction=fraction)
    before, after = np.bincount(store.labels[split.train]), np.bincount(store.labels[subset.train])
    assert after.tolist() == [max(1, int(count * fraction + 0.5)) for count in before]
    np.testing.assert_array_equal(subset.test, split.test)


@pytest.mark.slow
@pytest.mark.parametrize("store", [eurosat_store(50), multilabel_store(1000)], ids=["multiclass", "multilabel"])
def test_smaller_subsets_are_parts_of_larger_ones(store: Store) -> None:
    split = divided(store)
    for seed in range(10):
        shots = [take_subset(split, store, n, seed=seed).train.tolist() for n in range(1, 9)]
        fractions = [take_subset(split, store, None, f, seed).train.tolist() for f in (0.1, 0.15, 0.3, 0.5, 0.8, 1.0)]
        for subsets in (shots, fractions):
            assert all(set(smaller) < set(larger) for smaller, larger in pairwise(subsets))


def test_the_draw_follows_from_seed_and_names_alone() -> None:
    store = eurosat_store(50)
    mixed = shuffled(store)
    for settings in ({"shots_per_class": 3}, {"train_fraction": 0.2}):
        one, other = (take_subset(divided(s), s, **settings) for s in (store, mixed))
        assert one.sha256 == other.sha256
        assert members(one, store.files) == members(other, mixed.files)
        assert len({take_subset(divided(store), store, seed=seed, **settings).sha256 for seed in range(5)}) == 5
    assert take_subset(divided(store), store, 1, seed=0).train.tolist()[:3] == [26, 74, 106]


def test_several_labels_reach_the_shots_in_every_class_with_few_patches() -> None:
    store = multilabel_store()
    split = divided(store)
    for shots in (1, 3, 6):
        train = take_subset(split, store, shots_per_class=shots).train
        counts = store.labels[train].sum(0)
        assert (counts >= shots).all()
        assert counts[3] == shots  # the rarest comes first, so that no patch of it is added on another's behalf
        assert len(train) <= 4 * shots
        assert store.labels[train].any(1).all()
    # as rare labels often come with common ones, one patch of each needs far fewer than four patches
    assert sum(len(take_subset(split, store, 1, seed=seed).train) for seed in range(20)) < 60


def test_a_class_with_fewer_patches_is_named_with_its_count() -> None:
    store = make_store(*eurosat_names(counts=[50] * 8 + [5, 10]))
    with pytest.raises(UserError, match=r"shots_per_class is 7, .* has only 3 of River, 6 of SeaLake$"):
        take_subset(divided(store), store, shots_per_class=7)
    store = multilabel_store()
    with pytest.raises(UserError, match=r"has only 11 of odd$"):
        take_subset(divided(store), store, shots_per_class=20)


def test_a_fraction_that_loses_a_label_is_told() -> None:
    # b is never the rarest label of its patch, so that no stratum of its own keeps it
    kinds = [[1, 0, 0, 0]] * 50 + [[0, 1, 1, 0]] * 2 + [[0, 0, 1, 0]] + [[0, 1, 0, 1]] * 2 + [[0, 0, 0, 1]]
    store = make_store(
        [f"p{n}.tif" for n in range(56)], np.array(kinds, dtype=np.uint8), class_names=["a", "b", "c", "d"]
    )
    split = Split(np.arange(56), np.arange(56), np.arange(56), "", "lists")
    with pytest.raises(UserError, match=r"train_fraction 0\.01 leaves no training patch of class b$"):
        take_subset(split, store, train_fraction=0.01, seed=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train_fraction": 0.0}, r"data\.train_fraction is 0\.0, expected"),
        ({"train_fraction": 1.5}, r"data\.train_fraction is 1\.5"),
        ({"train_fraction": float("nan")}, r"data\.train_fraction is nan"),
        ({"shots_per_class": 0}, r"data\.shots_per_class must be at least 1, got 0"),
        ({"shots_per_class": -3}, "got -3"),
        ({"shots_per_class": 3, "train_fraction": 0.5}, "exclude each other"),
    ],
)
def test_values_out_of_range_are_told(settings: dict[str, float], message: str) -> None:
    store = eurosat_store(10)
    with pytest.raises(UserError, match=message):
        take_subset(divided(store), store, **settings)
