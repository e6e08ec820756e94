import os
import pickle
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from eurosat_cls.data.loader import EpochBatches, PatchDataset, make_loader
from eurosat_cls.data.store import reader
from eurosat_cls.data.store.reader import PatchReader
from eurosat_cls.data.store.store import Store, open_or_build
from eurosat_cls.utils.errors import UserError
from tests.data.helpers import generated_recipe

Kind = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(params=["array", "small map", "large map", "large map without positioned reads", "view of a large map"])
def stored(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """Every way in which an array can come to a reader."""
    if "large" in request.param:
        monkeypatch.setattr(reader, "MAPPED_BYTES", 0)
    if "without" in request.param:
        monkeypatch.delattr(os, "preadv")

    def keep(array: np.ndarray) -> np.ndarray:
        if request.param == "array":
            return array
        if "view" in request.param:
            array = array[np.maximum(np.arange(-1, len(array)), 0)]
        np.save(tmp_path / "images.npy", array)
        mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
        return mapped[1:] if "view" in request.param else mapped

    return keep


def patches(count: int, channels: int, size: int, dtype: str = "uint16") -> np.ndarray:
    numbers = np.random.default_rng([count, channels, size]).integers(0, 2**16, (count, channels, size, size + 1))
    return numbers.astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "int16", "float32", "bool"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 13, 8), (40, 3, 5), (600, 2, 3)])
def test_rows_are_those_of_plain_indexing(stored: Kind, shape: tuple[int, int, int], dtype: str) -> None:
    array = patches(*shape, dtype)
    read = PatchReader(stored(array)).read
    generator = np.random.default_rng(0)
    for rows in (
        np.arange(len(array)),
        np.arange(len(array))[::-1],
        generator.integers(-len(array), len(array), 50),  # unsorted, repeated and from the end
        np.array([], dtype=np.int64),
        np.array([len(array) - 1], dtype=np.int32),
        np.arange(len(array)) % 3 == 0,
    ):
        got = read(rows)
        assert np.array_equal(got, array[rows])
        assert got.dtype == array.dtype
        assert got.flags.c_contiguous
        assert got.flags.writeable


@pytest.mark.parametrize("channels", [[3, 2, 1], [0], [12, 0, 5, 6, 7], [-1, 4], [2, 2, 3], list(range(13)), []])
def test_channels_come_in_the_order_asked_for(stored: Kind, channels: list[int]) -> None:
    array = patches(30, 13, 8)
    rows = np.random.default_rng(0).integers(-30, 30, 50)
    got = PatchReader(stored(array)).read(rows, channels)
    assert np.array_equal(got, array[rows][:, channels])
    assert got.flags.c_contiguous


@pytest.mark.parametrize(("row", "channels"), [(30, None), (-31, None), (0, [13]), (0, [-14])])
def test_what_is_not_there_is_refused(stored: Kind, row: int, channels: list[int] | None) -> None:
    with pytest.raises(IndexError):
        PatchReader(stored(patches(30, 13, 8))).read(np.array([0, row]), channels)


def test_a_batch_does_not_change_the_store(stored: Kind) -> None:
    images = stored(patches(4, 2, 3))
    read = PatchReader(images).read
    before = images.copy()
    read(np.arange(4))[:] = 0
    assert np.array_equal(read(np.arange(4)), before)


@pytest.fixture
def large_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    monkeypatch.setattr(reader, "MAPPED_BYTES", 0)
    np.save(tmp_path / "images.npy", patches(500, 13, 16))
    mapped: np.ndarray = np.load(tmp_path / "images.npy", mmap_mode="r")
    return mapped


def resident_pages(path: Path) -> int:
    """Memory of this process, in kB, that maps a file."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if line.split()[0].endswith(":"):
            total += int(line.split()[1]) if inside and line.startswith("Rss:") else 0
        else:
            inside = line.endswith(str(path))
    return total


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux")
@pytest.mark.parametrize("positioned_reads", [True, False])
def test_a_large_store_leaves_no_pages_in_memory(
    large_map: np.ndarray, tmp_path: Path, positioned_reads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not positioned_reads:
        monkeypatch.delattr(os, "preadv")
    rows = PatchReader(large_map)
    for start in range(0, 500, 50):
        rows.ahead(np.arange(start, start + 50))
        rows.read(np.arange(start, start + 50))
    assert resident_pages(tmp_path / "images.npy") < 300
    assert large_map.sum(dtype=np.int64) > 0
    assert resident_pages(tmp_path / "images.npy") > 3000  # the measure sees them


@pytest.mark.parametrize("large", [True, False])
def test_a_file_cut_short_is_an_error(tmp_path: Path, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr(reader, "MAPPED_BYTES", 0)
    array = patches(100, 13, 16)
    np.save(tmp_path / "images.npy", array)
    rows = PatchReader(np.load(tmp_path / "images.npy", mmap_mode="r"))
    os.truncate(tmp_path / "images.npy", array.nbytes // 2)
    with pytest.raises(UserError, match=r"images\.npy has been cut short"):
        rows.read(np.array([0, 99]))
    with pytest.raises(UserError, match=r"images\.npy has been cut short"):
        rows.read(np.array([99]), [4])


def test_a_file_cut_short_before_it_is_opened_is_an_error(large_map: np.ndarray, tmp_path: Path) -> None:
    os.truncate(tmp_path / "images.npy", 10_000)
    with pytest.raises(UserError, match="cut short"):
        PatchReader(large_map).read(np.array([0]))


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_lost_its_name_is_read_all_the_same(large_map: np.ndarray, tmp_path: Path, how: str) -> None:
    expected = patches(500, 13, 16)
    (tmp_path / "images.npy").unlink()
    if how == "replaced":
        np.save(tmp_path / "images.npy", expected + 1)
    assert np.array_equal(PatchReader(large_map).read(np.arange(0, 500, 7)), expected[::7])


def test_short_reads_are_continued(large_map: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = patches(500, 13, 16)
    preadv = os.preadv

    def stingy(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        return preadv(descriptor, [buffers[0][:1000], *(buffers[1:2] if len(buffers[0]) <= 1000 else [])], offset)

    monkeypatch.setattr(os, "preadv", stingy)
    assert np.array_equal(PatchReader(large_map).read(np.arange(20)), expected[:20])
    assert np.array_equal(PatchReader(large_map).read(np.arange(20), [5, 4, 9]), expected[:20, [5, 4, 9]])


def test_a_failing_disk_is_named(large_map: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(UserError, match=r"cannot read .*images\.npy: Input/output error"):
        PatchReader(large_map).read(np.array([3]))


def test_a_pickled_reader_opens_the_file_again(stored: Kind) -> None:
    array = patches(60, 13, 16)
    again = pickle.loads(pickle.dumps(PatchReader(stored(array))))
    assert np.array_equal(again.read(np.array([5, -1])), array[[5, -1]])


def test_a_pickled_reader_does_not_hold_the_store(large_map: np.ndarray) -> None:
    assert len(pickle.dumps(PatchReader(large_map))) < 1000


def test_files_are_closed_with_their_reader(large_map: np.ndarray) -> None:
    def opened() -> int:
        return len(os.listdir("/dev/fd"))

    before = opened()
    rows = PatchReader(large_map)
    rows.read(np.array([0]))
    assert opened() == before + 1
    del rows
    assert opened() == before


def test_threads_share_a_reader(large_map: np.ndarray) -> None:
    expected, rows, wrong = patches(500, 13, 16), PatchReader(large_map), []

    def work(seed: int) -> None:
        for wanted in np.random.default_rng(seed).integers(0, 500, (30, 20)):
            if not np.array_equal(rows.read(wanted), expected[wanted]):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_workers_read_what_this_process_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAPPED_BYTES", 0)
    dataset, rows = PatchDataset(store, [2, 0]), EpochBatches(np.arange(len(store.files)), 16, 3, False)
    here = [batch.image for batch in make_loader(dataset, rows)]
    forked = torch.utils.data.DataLoader(
        dataset, batch_size=None, sampler=rows, num_workers=2, multiprocessing_context="fork"
    )
    assert all(torch.equal(a, b) for a, b in zip(here, [batch.image for batch in forked], strict=True))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_or_build(generated_recipe(), tmp_path)


def test_the_next_batch_is_announced_while_one_is_in_use(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAPPED_BYTES", 0)
    happened: list[tuple[str, list[int]]] = []
    ahead, read = PatchReader.ahead, PatchReader.read

    def noting_ahead(self: PatchReader, rows: np.ndarray, channels: list[int] | None = None) -> None:
        happened.append(("ahead", rows.tolist()))
        ahead(self, rows, channels)

    def noting_read(self: PatchReader, rows: np.ndarray, channels: list[int] | None = None) -> np.ndarray:
        happened.append(("read", rows.tolist()))
        return read(self, rows, channels)

    monkeypatch.setattr(PatchReader, "ahead", noting_ahead)
    monkeypatch.setattr(PatchReader, "read", noting_read)
    list(make_loader(PatchDataset(store, [0, 1]), EpochBatches(np.arange(60), 16, 0, False)))
    batches = [rows for what, rows in happened if what == "read"]
    assert [len(rows) for rows in batches] == [16, 16, 16, 12]
    assert happened[0] == ("ahead", batches[1])
    for batch, following in pairwise(batches):
        assert happened.index(("ahead", following)) < happened.index(("read", batch))
