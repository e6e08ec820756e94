"""The random split: the same everywhere, and stratified."""

import zipfile

import numpy as np
import pytest

from eurosat_cls.data.splits import RandomSplit, check_classes, random_split
from eurosat_cls.utils.errors import UserError
from tests.conftest import REAL_ZIP
from tests.data.helpers import CLASS_NAMES
from tests.data.splits.helpers import (
    COUNTS,
    eurosat_names,
    eurosat_store,
    make_store,
    members,
    multilabel_store,
    shuffled,
)

SHA256 = "28e88c24855f3e5a658de463fe2b8b5b56e279ea5472de707305a19a9b0a9068"


def test_the_full_set_gives_the_published_sizes_in_every_class() -> None:
    files, labels = eurosat_names()
    split = random_split(files, labels)
    assert split.method == "random"
    assert [len(rows) for rows in split.parts().values()] == [16_200, 5_400, 5_400]
    assert np.bincount(labels[split.train]).tolist() == [count * 6 // 10 for count in COUNTS]
    assert np.bincount(labels[split.val]).tolist() == np.bincount(labels[split.test]).tolist()
    assert len(np.unique(np.concatenate(list(split.parts().values())))) == 27_000
    assert all(rows.dtype == np.int64 and (np.diff(rows) > 0).all() for rows in split.parts().values())


def test_the_split_is_this_one_on_every_machine() -> None:
    store = make_store(*eurosat_names())
    split = RandomSplit().divide(store)
    assert split.sha256 == SHA256
    assert split.test[:5].tolist() == [9, 10, 12, 15, 16]
    assert RandomSplit(seed=7).divide(store).sha256.startswith("555293f29f7ef6b6")


@pytest.mark.real
@pytest.mark.skipif(not REAL_ZIP.exists(), reason="the real archive is not here")
def test_the_real_archive_is_split_as_it_was_for_the_published_metrics() -> None:
    names = sorted(name for name in zipfile.ZipFile(REAL_ZIP).namelist() if name.endswith(".jpg"))
    files = [name.split("/", 1)[1] for name in names]
    labels = np.array([CLASS_NAMES.index(file.split("/")[0]) for file in files])
    assert RandomSplit().divide(make_store(files, labels)).sha256 == SHA256


def test_neither_order_nor_extension_nor_folder_changes_the_split() -> None:
    store = eurosat_store(50)
    first = RandomSplit().divide(store)
    tiffs = make_store([file.rsplit("/")[-1].replace(".jpg", ".tif") for file in store.files], store.labels)
    for other in (shuffled(store), tiffs):
        split = RandomSplit().divide(other)
        assert members(split, other.files) == members(first, store.files)
        assert split.sha256 == first.sha256


def test_another_seed_or_other_fractions_give_another_split() -> None:
    files, labels = eurosat_names(counts=[50] * 10)
    shas = {random_split(files, labels, seed=seed).sha256 for seed in range(5)}
    assert len(shas) == 5
    part = random_split(files, labels, fractions=(0.1, 0.1, 0.1))
    assert [len(rows) for rows in part.parts().values()] == [50, 50, 50]
    assert members(part, files)["train"] < members(random_split(files, labels), files)["train"]


@pytest.mark.parametrize(
    "fractions", [(0.6, 0.2), (0.6, 0.4, 0.2), (1.0, 0.0, 0.0), (0.9, -0.1, 0.2), (float("nan"), 0.2, 0.2)]
)
def test_bad_fractions_are_told_at_once(fractions: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match=r"split fractions are .*three positive numbers"):
        RandomSplit(fractions)
    with pytest.raises(UserError, match=r"split fractions are .*three positive numbers"):
        random_split(*eurosat_names(counts=[5] * 10), fractions=fractions)


def test_a_class_missing_from_a_part_is_named() -> None:
    files, labels = eurosat_names(counts=[5] * 10)
    check_classes(random_split(files, labels), labels, CLASS_NAMES)
    files, labels = eurosat_names(counts=[5] * 8 + [1, 5])
    with pytest.raises(UserError, match=r"the val part of the split has no patch of class River$"):
        check_classes(random_split(files, labels), labels, CLASS_NAMES)


def test_patches_of_several_labels_are_stratified_by_their_rarest() -> None:
    store = multilabel_store(1000)
    for seed in range(3):
        split = RandomSplit(seed=seed).divide(store)
        check_classes(split, store.labels, store.class_names)
        assert sum(map(len, split.parts().values())) == 1000
        odd = store.labels[:, 3] == 1  # the very rare class is always the rarest one, so its shares are exact
        shares = [store.labels[rows, 3].sum() / odd.sum() for rows in split.parts().values()]
        np.testing.assert_allclose(shares, [0.6, 0.2, 0.2], atol=0.6 / odd.sum())
        without = store.labels.sum(1) == 0  # and so are those of the patches without any
        np.testing.assert_allclose(without[split.train].sum() / without.sum(), 0.6, atol=0.6 / without.sum())
        assert split.sha256 == RandomSplit(seed=seed).divide(shuffled(store)).sha256
