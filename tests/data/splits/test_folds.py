"""Folds: every patch is tested once, and nothing that is tested is seen before."""

from typing import Any

import numpy as np
import pytest

from eurosat_cls.data.splits import FoldSplit, RandomSplit, Split, check_classes
from eurosat_cls.data.splits.earth import locate, near
from eurosat_cls.data.store.store import Store
from eurosat_cls.utils.errors import UserError
from tests.data.helpers import CLASS_NAMES
from tests.data.splits.helpers import eurosat_names, eurosat_store, make_store, members, multilabel_store, shuffled


def folds_of(store: Store, folds: int, **settings: Any) -> list[Split]:
    return [FoldSplit(folds, fold, **settings).divide(store) for fold in range(folds)]


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_every_patch_is_tested_once_and_never_seen_before(folds: int) -> None:
    files, labels = eurosat_names(counts=[37, 20, 41, 33, 20, 25, 31, 28, 22, 30])
    splits = folds_of(make_store(files, labels), folds)
    tested = np.concatenate([split.test for split in splits])
    assert sorted(tested.tolist()) == list(range(len(files)))
    for split in splits:
        check_classes(split, labels, CLASS_NAMES)
        assert sorted(np.concatenate(list(split.parts().values())).tolist()) == list(range(len(files)))
        assert len(split.val) == pytest.approx(0.2 * (len(files) - len(split.test)), abs=1)
    counts = np.array([np.bincount(labels[split.test], minlength=10) for split in splits])
    assert (np.ptp(counts, axis=0) <= 1).all(), "classes are dealt out evenly"
    assert np.ptp(counts.sum(1)) <= 1
    assert len({split.sha256 for split in splits}) == folds


def test_folds_are_the_same_on_every_machine_whatever_the_order_of_the_files() -> None:
    store = eurosat_store(12)
    split = FoldSplit(5, 2).divide(store)
    assert split.sha256.startswith("9b75755ada34aa31")
    assert split.method == "fold 2 of 5"
    other = shuffled(store)
    assert members(FoldSplit(5, 2).divide(other), other.files) == members(split, store.files)
    assert FoldSplit(5, 2, seed=7).divide(store).sha256 != split.sha256


def test_folds_of_a_training_part_leave_val_and_test_unseen() -> None:
    store = eurosat_store(40)
    train = RandomSplit().divide(store).train
    splits = folds_of(store, 4, of=RandomSplit())
    assert sorted(np.concatenate([split.test for split in splits]).tolist()) == sorted(train.tolist())
    for split in splits:
        assert sorted(np.concatenate(list(split.parts().values())).tolist()) == sorted(train.tolist())
    with pytest.raises(UserError, match="there can be no more folds"):
        FoldSplit(30, 0, of=RandomSplit()).divide(store)


def test_patches_of_several_labels_have_folds_too() -> None:
    store = multilabel_store(600)
    tested = np.concatenate([split.test for split in folds_of(store, 3)])
    assert sorted(tested.tolist()) == list(range(600))


def test_neighbours_stay_in_one_part() -> None:
    pytest.importorskip("pyproj")
    from tests.data.splits.test_spatial import clustered, spatial_store

    places = clustered(2000)
    store, positions = spatial_store(places), locate(places, [""] * len(places))
    splits = folds_of(store, 4, groups="place")
    assert sorted(np.concatenate([split.test for split in splits]).tolist()) == list(range(2000))
    for split in splits:
        assert split.method.startswith("spatial fold")
        for one, other in ((split.train, split.val), (split.train, split.test), (split.val, split.test)):
            assert not near(positions, one, other, 1000).any()
        assert min(len(rows) for rows in split.parts().values()) > 100


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"folds": 1}, "folds is 1, expected at least 2"),
        ({"folds": 0}, "folds is 0"),
        ({"folds": 3, "fold": 3}, "fold is 3, expected 0 to 2"),
        ({"fold": -1}, "fold is -1, expected 0 to 4"),
        ({"groups": "scene"}, "groups is 'scene'"),
        ({"block_km": float("nan")}, "block_km is nan"),
        ({"folds": 11}, "folds is 11, but the smallest class, River, has 4 patches"),
        ({"folds": 4, "groups": "place"}, "needs patches' coordinates"),
    ],
)
def test_folds_that_cannot_be_are_named(settings: dict[str, Any], said: str) -> None:
    store = make_store(*eurosat_names(counts=[12] * 8 + [4, 12]))
    with pytest.raises(UserError, match=said):
        FoldSplit(**settings).divide(store)
