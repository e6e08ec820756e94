"""Band statistics: exact, streamed, remembered for the right split only."""

from pathlib import Path

import numpy as np
import pytest

from eurosat_cls.data import statistics
from eurosat_cls.data.splits import random_split
from eurosat_cls.data.statistics import band_statistics, compute_statistics
from eurosat_cls.data.store import Store, open_or_build

from .helpers import generated_recipe


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_mean_and_std_equal_numpys_on_the_chosen_patches(dtype: str) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255 if dtype == "uint8" else 30_000, (90, 4, 16, 16)).astype(dtype)
    rows = generator.permutation(90)[:70]
    mean, std = compute_statistics(images, rows, chunk=16)
    assert mean.dtype == std.dtype == np.float64
    np.testing.assert_allclose(mean, images[rows].mean(axis=(0, 2, 3), dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(std, images[rows].std(axis=(0, 2, 3), dtype=np.float64), rtol=1e-9)


def test_integers_are_summed_exactly_whatever_the_chunks() -> None:
    images = np.full((40, 1, 64, 64), 65_535, np.uint16)
    images[0, 0, 0, 0] = 65_534
    results = {tuple(np.concatenate(compute_statistics(images, np.arange(40), chunk))) for chunk in (1, 7, 64, 10**6)}
    assert len(results) == 1
    count = 40 * 64 * 64
    mean, std = results.pop()
    assert mean == (65_535 * count - 1) / count
    assert std == pytest.approx((count - 1) ** 0.5 / count, rel=1e-12)


def test_a_constant_band_has_no_spread() -> None:
    mean, std = compute_statistics(np.full((3, 2, 4, 4), 7, np.uint8), np.arange(3))
    assert mean.tolist() == [7, 7]
    assert std.tolist() == [0, 0]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_or_build(generated_recipe(), tmp_path)


def test_statistics_are_remembered_for_each_split(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = [random_split(store.files, store.labels, seed=seed) for seed in (1, 2)]
    fresh = [band_statistics(store, split) for split in splits]
    assert not np.array_equal(fresh[0][0], fresh[1][0])
    np.testing.assert_array_equal(fresh[0][0], compute_statistics(store.images, splits[0].train)[0])
    monkeypatch.setattr(statistics, "compute_statistics", None)
    for split, expected in zip(splits, fresh, strict=True):
        np.testing.assert_array_equal(band_statistics(store, split), expected)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"split": "x"}', "null"])
def test_a_damaged_memory_is_computed_again(store: Store, text: str) -> None:
    split = random_split(store.files, store.labels)
    expected = band_statistics(store, split)
    (memory,) = store.path.glob("statistics-*.json")
    memory.write_text(text)
    np.testing.assert_array_equal(band_statistics(store, split), expected)
    assert memory.read_text() != text


def test_a_store_folder_that_cannot_be_written_is_no_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "write_text", refused)
    split = random_split(store.files, store.labels)
    np.testing.assert_array_equal(band_statistics(store, split)[0], compute_statistics(store.images, split.train)[0])
    assert not list(store.path.glob("statistics-*"))
