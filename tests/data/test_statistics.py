"""Statistics: exact, streamed, remembered for the right split only."""

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from eurosat_cls.data import counts, statistics
from eurosat_cls.data.counts import PERCENTILES, ValueSample
from eurosat_cls.data.splits import Split, random_split
from eurosat_cls.data.statistics import BandStatistics, band_statistics, compute_statistics, full_statistics
from eurosat_cls.data.store.store import Store, open_or_build
from eurosat_cls.utils.errors import UserError
from tests.data.helpers import generated_recipe

NOTHING = np.empty(0, dtype=np.int64)


def store_of(images: np.ndarray, path: Path, labels: np.ndarray | None = None) -> Store:
    """A store of these patches, two classes in turn unless told otherwise."""
    count, channels = images.shape[:2]
    labels = np.arange(count) % 2 if labels is None else labels
    names, bands = [f"class{k}" for k in range(labels.max() + 1)], [f"band{c}" for c in range(channels)]
    path.mkdir(exist_ok=True)
    return Store(path, images, labels, [str(n) for n in range(count)], names, bands, "test", "1", {}, [None] * count)


def all_train(rows: np.ndarray, sha256: str = "0") -> Split:
    return Split(rows, NOTHING, NOTHING, sha256, "random")


def some_images(dtype: str, shape: tuple[int, ...] = (90, 4, 16, 16)) -> np.ndarray:
    generator = np.random.default_rng(0)
    if dtype.startswith("float"):
        return (generator.standard_normal(shape) * 10.0 ** generator.integers(-3, 4, shape)).astype(dtype)
    low, high = np.iinfo(dtype).min, min(np.iinfo(dtype).max, 30_000)
    return generator.integers(max(low, -5000), high, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
def test_mean_and_std_equal_numpys_on_the_chosen_patches(dtype: str, tmp_path: Path) -> None:
    images = some_images(dtype)
    rows = np.random.default_rng(1).permutation(90)[:70]
    mean, std, *_ = compute_statistics(store_of(images, tmp_path), rows, chunk=16)
    assert mean.dtype == std.dtype == np.float64
    np.testing.assert_allclose(mean, images[rows].mean(axis=(0, 2, 3), dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(std, images[rows].std(axis=(0, 2, 3), dtype=np.float64), rtol=1e-9)


def test_integers_are_summed_exactly_whatever_the_chunks(tmp_path: Path) -> None:
    images = np.full((40, 1, 64, 64), 65_535, np.uint16)
    images[0, 0, 0, 0] = 65_534
    store = store_of(images, tmp_path)
    chunks = (1, 7, 64, 10**6)
    results = {tuple(np.concatenate(compute_statistics(store, np.arange(40), chunk)[:2])) for chunk in chunks}
    assert len(results) == 1
    count = 40 * 64 * 64
    mean, std = results.pop()
    assert mean == (65_535 * count - 1) / count
    assert std == pytest.approx((count - 1) ** 0.5 / count, rel=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(90, 4, 16, 16), (3, 1, 5, 7), (1, 2, 1, 1), (67, 3, 3, 9)])
def test_all_statistics_equal_numpys(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    images = some_images(dtype, shape)
    rows = np.random.default_rng(1).permutation(len(images))[: max(1, len(images) * 3 // 4)]
    store = store_of(images, tmp_path)
    found = full_statistics(store, all_train(rows))
    values = images[rows].astype(np.float64).transpose(1, 0, 2, 3).reshape(shape[1], -1)
    for name, values_of_band in compute_statistics(store, rows)._asdict().items():
        np.testing.assert_array_equal(getattr(found, name), values_of_band)
    means = images[rows].astype(np.float64).mean((2, 3))
    np.testing.assert_allclose(found.patch_std, means.std(0), rtol=1e-9)
    np.testing.assert_allclose(found.patch_percentiles, np.percentile(means, [0, 1, 50, 99, 100], axis=0).T, rtol=1e-9)
    np.testing.assert_array_equal(found.minimum, values.min(1))
    np.testing.assert_array_equal(found.maximum, values.max(1))
    seen = values if np.dtype(dtype).kind in "iu" else values.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(found.percentiles, np.percentile(seen, PERCENTILES, axis=1).T, rtol=1e-12, atol=1e-12)
    assert (found.patches, found.dtype) == (len(rows), dtype)
    for k in range(len(store.class_names)):
        members = images[rows[rows % 2 == k]].astype(np.float64)
        assert found.class_patches[k] == len(members)
        if len(members):
            np.testing.assert_allclose(found.class_mean[k], members.mean(axis=(0, 2, 3)), rtol=1e-9)
            np.testing.assert_allclose(found.class_std[k], members.std(axis=(0, 2, 3)), rtol=1e-5, atol=1e-6)
        else:
            assert np.isnan(found.class_mean[k]).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_histograms_count_all_but_the_outermost_values(dtype: str, tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(120, 20, (40, 2, 16, 16)).clip(0, 255).astype(dtype)
    images[0, 0, 0, 0] = np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else 1e30
    found = full_statistics(store_of(images, tmp_path), all_train(np.arange(40)))
    for band in range(2):
        edges = found.edges[band]
        expected = np.histogram(images[:, band], edges)[0]
        np.testing.assert_array_equal(found.histogram[band], expected)
        assert 0.99 < found.histogram[band].sum() / images[:, band].size <= 1
        assert edges[-1] < 400
        if dtype != "float32":
            assert np.diff(edges).min() == np.diff(edges).max() == round(edges[1] - edges[0])


def test_of_very_many_floats_some_are_looked_at_whatever_the_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "SAMPLED", 2000)
    images = np.random.default_rng(0).normal(5, 2, (90, 2, 16, 16)).astype(np.float32)
    values = images.transpose(1, 0, 2, 3).reshape(2, 90, 256)
    found = full_statistics(store_of(images, tmp_path), all_train(np.arange(90)))
    every_13th = values.reshape(2, -1)[:, ::13].astype(np.float64)
    np.testing.assert_array_equal(found.percentiles, np.percentile(every_13th, PERCENTILES, axis=1).T)
    np.testing.assert_allclose(found.percentile(50), 5, atol=0.2)
    np.testing.assert_allclose(found.histogram.sum(1), 90 * 256, rtol=0.02)
    pieces = ValueSample(90 * 256)
    for part in np.array_split(images.reshape(90, 2, 256), 7):
        pieces.add(part)
    np.testing.assert_array_equal(pieces.percentiles(), found.percentiles)


def test_a_constant_band_has_no_spread(tmp_path: Path) -> None:
    for dtype in (np.uint8, np.float32):
        store = store_of(np.full((3, 2, 4, 4), 7, dtype), tmp_path / np.dtype(dtype).name)
        found = full_statistics(store, all_train(np.arange(3)))
        assert found.mean.tolist() == [7, 7]
        assert found.std.tolist() == [0, 0]
        assert (found.percentiles == 7).all()
        assert found.histogram.sum(1).tolist() == [48, 48]


def test_a_patch_counts_in_each_of_its_classes(tmp_path: Path) -> None:
    images = np.array([10, 20, 60], np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 2), np.uint8)
    labels = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]], np.uint8)
    store = replace(store_of(images, tmp_path, labels), class_names=["a", "b", "c"])
    found = full_statistics(store, all_train(np.arange(3)))
    assert found.class_patches.tolist() == [1, 2, 0]
    assert found.class_mean[:2, 0].tolist() == [10, 15]
    assert found.class_std[:2, 0].tolist() == [0, 5]
    assert np.isnan(found.class_mean[2, 0])


def test_selected_bands_keep_their_metrics(tmp_path: Path) -> None:
    found = full_statistics(store_of(some_images("uint16"), tmp_path), all_train(np.arange(90)))
    two = found.select([3, 1])
    assert two.bands == ["band3", "band1"]
    np.testing.assert_array_equal(two.percentile(50), found.percentile(50)[[3, 1]])
    np.testing.assert_array_equal(two.class_mean, found.class_mean[:, [3, 1]])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_or_build(generated_recipe(), tmp_path)


def test_statistics_are_remembered_for_each_split(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = [random_split(store.files, store.labels, seed=seed) for seed in (1, 2)]
    fresh = [(band_statistics(store, split), full_statistics(store, split)) for split in splits]
    assert not np.array_equal(fresh[0][0][0], fresh[1][0][0])
    monkeypatch.setattr(statistics, "_stream", None)
    for split, (two, everything) in zip(splits, fresh, strict=True):
        assert all(map(np.array_equal, band_statistics(store, split), two))
        again = full_statistics(store, split)
        for field in fields(everything):
            np.testing.assert_array_equal(getattr(again, field.name), getattr(everything, field.name))


def test_a_start_pays_for_what_a_training_needs_only(store: Store) -> None:
    band_statistics(store, random_split(store.files, store.labels))
    (memory,) = store.path.glob("statistics-*.json")
    assert set(json.loads(memory.read_text())) == {"version", *BandStatistics._fields}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"split": "x"}', "null", '{"version": 0}', '{"version": 2}'])
def test_a_damaged_memory_is_computed_again(store: Store, text: str) -> None:
    split = random_split(store.files, store.labels)
    before = band_statistics(store, split)
    (memory,) = store.path.glob("statistics-*.json")
    memory.write_text(text)
    assert all(map(np.array_equal, band_statistics(store, split), before))
    assert memory.read_text() != text
    memory.write_text(text)
    np.testing.assert_array_equal(full_statistics(store, split).mean, before.mean)
    assert memory.read_text() != text


def test_a_memory_of_another_version_is_not_believed(store: Store) -> None:
    split = random_split(store.files, store.labels)
    expected = full_statistics(store, split)
    (memory,) = store.path.glob("statistics-*.json")
    content = json.loads(memory.read_text())
    memory.write_text(json.dumps({**content, "version": 0, "mean": [0.0] * 13, "maximum": [0.0] * 13}))
    np.testing.assert_array_equal(band_statistics(store, split)[0], expected.mean)
    np.testing.assert_array_equal(full_statistics(store, split).maximum, expected.maximum)


def test_a_store_folder_that_cannot_be_written_is_no_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(statistics, "write_json", refused)
    split = random_split(store.files, store.labels)
    np.testing.assert_array_equal(band_statistics(store, split)[0], compute_statistics(store, split.train)[0])
    assert not list(store.path.glob("statistics-*"))


def test_an_empty_train_part_is_a_mistake_that_is_named(store: Store) -> None:
    for computed in (band_statistics, full_statistics):
        with pytest.raises(UserError, match="train part of the split is empty"):
            computed(store, all_train(NOTHING))
