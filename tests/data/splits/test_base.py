"""What all splits share: their identity, their parts and their classes."""

import subprocess
import sys

import numpy as np
import pytest

from eurosat_cls.data.splits import RandomSplit, Split, check_classes, split_by_part
from eurosat_cls.utils.errors import UserError
from tests.data.splits.helpers import eurosat_store, multilabel_store

FILES = ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "b/3.jpg"]


def test_parts_by_name_become_rows() -> None:
    split = split_by_part(FILES, ["test", "train", "val", None, "train"], method="table")
    assert (split.train.tolist(), split.val.tolist(), split.test.tolist()) == ([1, 4], [2], [0])
    assert split.method == "table"
    assert split_by_part(FILES, ["test", "train", "val", None, "train"]).method == "official"


def test_an_unknown_part_and_an_empty_one_are_told() -> None:
    with pytest.raises(UserError, match=r"b/1\.jpg is in the part 'dev', expected train, val or test"):
        split_by_part(FILES, ["test", "train", "dev", None, "train"])
    with pytest.raises(UserError, match="the official split leaves no patch in val and test"):
        split_by_part(FILES, ["train"] * 5)


def test_equal_stems_in_two_folders_do_not_make_two_splits_look_the_same() -> None:
    one = split_by_part(FILES, ["train", "val", "val", "test", "test"])
    other = split_by_part(FILES, ["val", "val", "train", "test", "test"])
    assert one.sha256 != other.sha256
    suffixes = ["a.jpg", "a.tif", "b.jpg"]
    assert (
        split_by_part(suffixes, ["train", "val", "test"]).sha256
        != split_by_part(suffixes, ["val", "train", "test"]).sha256
    )


def test_one_class_is_not_enough_but_one_label_of_several_is() -> None:
    store = eurosat_store(10)
    split = RandomSplit().divide(store)
    with pytest.raises(UserError, match="only one class, River: at least two classes are needed"):
        check_classes(split, np.zeros_like(store.labels), ["River"])
    check_classes(split, np.ones((100, 1), dtype=np.uint8), ["River"])


def test_an_empty_part_is_told_as_such() -> None:
    store = eurosat_store(10)
    rows = np.arange(100)
    split = Split(rows, rows[:0], rows[:0], "", "lists")
    with pytest.raises(UserError, match=r"the lists split leaves no patch in val and test$"):
        check_classes(split, store.labels, store.class_names)


def test_a_label_that_no_patch_of_a_part_has_is_named() -> None:
    store = multilabel_store()
    split = RandomSplit().divide(store)
    labels = store.labels.copy()
    labels[split.test, 1:3] = 0
    with pytest.raises(UserError, match="the test part of the split has no patch of class some, rare"):
        check_classes(split, labels, store.class_names)


def test_importing_splits_loads_neither_torch_nor_pyproj() -> None:
    code = "import sys, eurosat_cls.data.splits; assert not {'torch', 'pyproj', 'lightning'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
