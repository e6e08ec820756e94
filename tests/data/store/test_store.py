"""The patch store: right, whole or absent, whatever interrupts its making."""

import errno
import gc
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from eurosat_cls.data.files.archive import ZipSource
from eurosat_cls.data.files.decode import decode_rgb
from eurosat_cls.data.files.folder import FolderSource
from eurosat_cls.data.files.tree import Source
from eurosat_cls.data.splits import random_split
from eurosat_cls.data.statistics import band_statistics
from eurosat_cls.data.store import build
from eurosat_cls.data.store.store import DamagedStore, Store, open_or_build, open_store, store_state
from eurosat_cls.utils.cache import cache_folder
from eurosat_cls.utils.errors import UserError
from tests.data.helpers import CLASS_NAMES, generated_recipe, jpeg, make_rgb_tree, make_rgb_zip, rgb_files, rgb_recipe

REPOSITORY = Path(__file__).parents[3]
REAL = REPOSITORY.parent / "shared/data/EuroSAT.zip"


def stores(folder: Path) -> list[str]:
    """Everything in a cache but locks."""
    return sorted(entry.name for entry in folder.iterdir() if entry.suffix != ".lock")


def run_python(code: str, *args: str) -> subprocess.Popen[str]:
    """Start Python on ``code`` in the repository."""
    command = [sys.executable, "-c", code, *args]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# --- contents ---------------------------------------------------------------------------------------------------


def test_a_store_holds_every_patch_with_its_label_and_name(tmp_path: Path) -> None:
    store = open_or_build(rgb_recipe(ZipSource(make_rgb_zip(tmp_path / "a.zip", 12), CLASS_NAMES)), tmp_path / "cache")
    expected = dict(rgb_files(12))
    assert store.images.shape == (120, 3, 64, 64)
    assert store.images.dtype == np.uint8
    assert not store.images.flags.writeable
    assert isinstance(store.images, np.memmap)
    assert store.labels.dtype == np.int64
    assert sorted(store.files) == sorted(expected)
    assert (store.class_names, store.bands, store.skipped) == (CLASS_NAMES, ["B04", "B03", "B02"], {})
    for image, label, file in zip(store.images, store.labels, store.files, strict=True):
        assert np.array_equal(image, decode_rgb(expected[file]))
        assert file.startswith(CLASS_NAMES[label] + "/")


def test_the_order_is_natural_and_independent_of_archive_and_folder(tmp_path: Path) -> None:
    sources: list[Source] = [
        ZipSource(make_rgb_zip(tmp_path / "a.zip", 12), CLASS_NAMES),
        ZipSource(make_rgb_zip(tmp_path / "b.zip", 12, "", backwards=True), CLASS_NAMES),
        FolderSource(make_rgb_tree(tmp_path / "tree", 12), CLASS_NAMES),
    ]
    built = [open_or_build(rgb_recipe(source), tmp_path / "cache") for source in sources]
    assert built[0].files[:12] == [f"AnnualCrop/AnnualCrop_{n}.jpg" for n in range(1, 13)]
    for store in built[1:]:
        assert store.files == built[0].files
        assert np.array_equal(store.images, built[0].images)
        assert store.path.exists()
        assert np.array_equal(store.labels, built[0].labels)


@pytest.mark.parametrize(("channels", "dtype"), [(13, "uint16"), (1, "float32"), (3, "uint8")])
def test_any_number_of_bands_and_any_dtype(tmp_path: Path, channels: int, dtype: str) -> None:
    recipe = generated_recipe(300, channels=channels, dtype=dtype)  # several chunks
    store = open_or_build(recipe, tmp_path)
    assert store.images.shape == (900, channels, 8, 8)
    assert store.images.dtype == dtype
    for row in (0, 511, 512, 899):
        assert np.array_equal(store.images[row], recipe.decode(store.files[row]))


def test_a_decoder_that_returns_another_shape_or_dtype_is_an_error_with_the_file(tmp_path: Path) -> None:
    def give(patch: np.ndarray, file: str) -> np.ndarray:
        return patch

    recipe = generated_recipe(2)
    for wrong in (np.zeros((13, 8, 9), np.uint16), np.zeros((13, 8, 8), np.int32)):
        with pytest.raises(UserError, match=r"a/a_1.tif: decoded to .*expected uint16 \[13, 8, 8\]"):
            open_or_build(replace(recipe, decode=partial(give, wrong)), tmp_path)


# --- reuse ------------------------------------------------------------------------------------------------------


def refuse(*_: object) -> Any:
    raise AssertionError("the store was built again")


def test_a_ready_store_is_reused_without_listing_or_decoding(tmp_path: Path) -> None:
    recipe = generated_recipe()
    first = open_or_build(recipe, tmp_path)
    again = open_or_build(replace(recipe, files=refuse, decode=refuse), tmp_path)
    assert again.path == first.path
    assert np.array_equal(again.images, first.images)


def test_a_changed_source_is_built_again_and_replaces_only_its_own_store(tmp_path: Path) -> None:
    other = open_or_build(replace(generated_recipe(), name="generated-other"), tmp_path)
    old = open_or_build(generated_recipe(), tmp_path)
    new = open_or_build(generated_recipe(seed=1), tmp_path)
    assert not np.array_equal(new.images, old.images)
    assert stores(tmp_path) == sorted([other.path.name, new.path.name])


@pytest.mark.parametrize("change", [{"bands": list("0123456789abc")}, {"class_names": ["a", "c", "b"]}])
def test_another_layout_of_the_same_source_is_not_mistaken_for_it(tmp_path: Path, change: dict[str, Any]) -> None:
    first = open_or_build(generated_recipe(), tmp_path)
    assert open_or_build(replace(generated_recipe(), **change), tmp_path).path != first.path


def truncate(path: Path) -> None:
    os.truncate(path / "images.npy", (path / "images.npy").stat().st_size - 1)


def edit(key: str, value: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        manifest = json.loads((path / "manifest.json").read_text())
        (path / "manifest.json").write_text(json.dumps({**manifest, key: value}))

    return change


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        edit("version", 0),
        edit("labels", [0, 1]),
        edit("labels", [7] * 60),
        edit("files", None),
        edit("skipped", []),
        edit("dtype", "uint8"),
        edit("shape", [1, 2, 3]),
        lambda path: (path / "images.npy").write_bytes(b""),
        lambda path: (path / "images.npy").unlink(),
        lambda path: (path / "manifest.json").unlink(),
        lambda path: (path / "manifest.json").write_text('{"version": 1'),
        lambda path: (path / "manifest.json").write_text("[]"),
        lambda path: (path / "manifest.json").write_bytes(b"\xff\x00"),
    ],
)
def test_a_damaged_store_is_built_again_with_one_warning(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    whole = open_or_build(generated_recipe(), tmp_path)
    images = np.array(whole.images)
    damage(whole.path)
    with pytest.raises(DamagedStore, match=str(whole.path)):
        open_store(whole.path)
    with caplog.at_level(logging.WARNING):
        mended = open_or_build(generated_recipe(), tmp_path)
    assert np.array_equal(mended.images, images)
    assert stores(tmp_path) == [whole.path.name]
    assert [record.message.count("building it again") for record in caplog.records] == [1]
    open_store(whole.path)


# --- files that cannot be used ----------------------------------------------------------------------------------


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """A tree with five unusable files of different kinds."""
    tree = make_rgb_tree(tmp_path / "tree", 4)
    (tree / "AnnualCrop/AnnualCrop_2.jpg").write_bytes(b"")
    (tree / "Forest/Forest_1.jpg").write_bytes(b"not an image at all")
    (tree / "River/River_4.jpg").write_bytes(jpeg(8, 4)[:-40])
    (tree / "SeaLake/SeaLake_3.jpg").write_bytes(jpeg(9, 3, size=32))
    (tree / "SeaLake/SeaLake_4.jpg").write_bytes(jpeg(9, 4, mode="L"))
    return tree


def test_all_unusable_files_are_listed_in_one_error_and_nothing_is_left(spoilt: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"5 of 40 files") as caught:
        open_or_build(rgb_recipe(FolderSource(spoilt, CLASS_NAMES)), tmp_path / "cache")
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        "AnnualCrop/AnnualCrop_2.jpg:",
        "Forest/Forest_1.jpg:",
        "River/River_4.jpg:",
        "SeaLake/SeaLake_3.jpg:",
        "SeaLake/SeaLake_4.jpg:",
    ]
    assert "empty" in lines[1]
    assert "truncated" in lines[3]
    assert "32x32" in lines[4]
    assert "mode" in lines[5]
    assert "on_error: skip" in lines[0]
    assert stores(tmp_path / "cache") == []


def test_skip_leaves_them_out_counts_them_and_keeps_the_rest_in_place(
    spoilt: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = rgb_recipe(FolderSource(spoilt, CLASS_NAMES))
    store = open_or_build(recipe, tmp_path / "cache", on_error="skip")
    assert "5 of 40 files" in caplog.text
    assert "River/River_4.jpg" in caplog.text
    assert len(store.images) == len(store.labels) == len(store.files) == 35
    assert store.skipped["SeaLake/SeaLake_3.jpg"].startswith("wrong size")
    assert len(store.skipped) == 5
    assert not set(store.files) & set(store.skipped)
    expected = dict(rgb_files(4))
    for image, label, file in zip(store.images, store.labels, store.files, strict=True):
        assert np.array_equal(image, decode_rgb(expected[file]))
        assert file.startswith(CLASS_NAMES[label])
    caplog.clear()
    assert open_or_build(replace(recipe, decode=refuse), tmp_path / "cache", on_error="skip").path == store.path
    assert "5 files" in caplog.text  # silence would hide it in later runs
    with pytest.raises(UserError, match=r"5 of 40 files"):
        open_or_build(recipe, tmp_path / "cache", on_error="raise")
    assert open_store(store.path).files == store.files


def test_a_store_is_used_only_where_it_is_whole(tmp_path: Path) -> None:
    store = open_or_build(generated_recipe(), tmp_path)
    lacking = replace(store, skipped={"a.jpg": "no image"})
    assert store_state(None, "raise") == "missing"
    assert store_state(DamagedStore("of another version"), "skip") == "stale"
    assert [store_state(lacking, "raise"), store_state(lacking, "skip")] == ["incomplete", "ready"]
    assert store_state(store, "raise") == "ready"


def test_a_file_that_fails_its_checksum_is_listed_like_any_other(tmp_path: Path) -> None:
    path = make_rgb_zip(tmp_path / "a.zip", 2)
    data = bytearray(path.read_bytes())
    for name in (b"River/River_1.jpg", b"Forest/Forest_2.jpg"):
        data[data.index(name) + len(name) + 60] ^= 16
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"(?s)2 of 20 files.*Forest/Forest_2.jpg: .*River/River_1.jpg: "):
        open_or_build(rgb_recipe(ZipSource(path, CLASS_NAMES)), tmp_path / "cache")


def test_a_long_list_goes_to_a_file_that_the_error_names(tmp_path: Path) -> None:
    tree = make_rgb_tree(tmp_path / "tree", 4)
    for number in range(1, 4):
        for name in CLASS_NAMES:
            (tree / f"{name}/{name}_{number}.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"30 of 40 files") as caught:
        open_or_build(rgb_recipe(FolderSource(tree, CLASS_NAMES)), tmp_path / "cache")
    lines = str(caught.value).splitlines()
    assert len(lines) == 22
    assert len(Path(lines[-1].split("listed in ")[1]).read_text().splitlines()) == 30


def test_a_class_that_skipping_empties_is_an_error(tmp_path: Path) -> None:
    tree = make_rgb_tree(tmp_path / "tree", 1)
    (tree / "River/River_1.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"no readable file in class River"):
        open_or_build(rgb_recipe(FolderSource(tree, CLASS_NAMES)), tmp_path / "cache", on_error="skip")


def test_a_wrong_on_error_is_told() -> None:
    with pytest.raises(UserError, match=r"on_error is 'ignore', expected 'raise' or 'skip'"):
        open_or_build(generated_recipe(), on_error="ignore")  # type: ignore[arg-type]


# --- interruptions ----------------------------------------------------------------------------------------------

BUILD = """
import itertools, os, signal, sys, time
from dataclasses import replace
from pathlib import Path
from tests.data.helpers import generated_recipe
from eurosat_cls.data.store.store import open_or_build
recipe = generated_recipe(400, seed=int(sys.argv[2]))
deadly, decoded = int(sys.argv[3]), itertools.count(1)
def slow(file):
    time.sleep(0.0005)
    if next(decoded) == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return recipe.decode(file)
store = open_or_build(replace(recipe, decode=slow), Path(sys.argv[1]))
print(int(store.images.sum(dtype="uint64")), flush=True)
"""

NEVER = "0"  # as the file at whose decoding the build is killed


@pytest.mark.slow
def test_a_build_killed_at_any_moment_leaves_the_old_store_and_the_next_build_is_whole(tmp_path: Path) -> None:
    old = open_or_build(generated_recipe(400, seed=0), tmp_path)
    old_sum, dice = old.images.sum(dtype=np.uint64), random.Random(1)
    for deadly in (1, *(dice.randint(2, 1199) for _ in range(4)), 1200):
        process = run_python(BUILD, str(tmp_path), "1", str(deadly))
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert any(name.endswith(".part") for name in stores(tmp_path))
        assert open_store(old.path).images.sum(dtype=np.uint64) == old_sum
    new = open_or_build(generated_recipe(400, seed=1), tmp_path)
    expected = open_or_build(generated_recipe(400, seed=1), tmp_path / "other")
    assert np.array_equal(new.images, expected.images)
    assert new.files == expected.files
    assert stores(tmp_path) == sorted([new.path.name, "other"])


def test_an_exception_or_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    for error in (KeyboardInterrupt, RuntimeError):

        def fail(file: str, error: type[BaseException] = error) -> np.ndarray:
            raise error

        with pytest.raises(error):
            open_or_build(replace(generated_recipe(), decode=fail), tmp_path)
        assert stores(tmp_path) == []


@pytest.mark.slow
def test_of_several_processes_one_builds_and_all_get_the_same_store(tmp_path: Path) -> None:
    processes = [run_python(BUILD, str(tmp_path), "3", NEVER) for _ in range(3)]
    outputs = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert len({out for out, _ in outputs}) == 1
    assert len(stores(tmp_path)) == 1


@pytest.mark.slow
def test_a_process_that_waits_for_another_says_so(tmp_path: Path) -> None:
    with FileLock(tmp_path / "generated.lock"):
        process = run_python(BUILD, str(tmp_path), "1", NEVER)
        assert process.stderr is not None
        while (line := process.stderr.readline()) and not line.startswith("waiting"):
            pass
        assert line == "waiting for another process to finish the patch store of noise\n"
        assert stores(tmp_path) == []
    process.communicate()
    assert process.returncode == 0
    assert len(stores(tmp_path)) == 1


# --- disks ------------------------------------------------------------------------------------------------------


def test_too_little_space_is_told_before_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = open_or_build(generated_recipe(), tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**5))
    with pytest.raises(UserError, match=rf"cannot write to {tmp_path}: .*needed.*free; .*EUROSAT_CACHE"):
        open_or_build(generated_recipe(seed=1), tmp_path)
    assert stores(tmp_path) == [old.path.name]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "not writable"),
    ],
)
@pytest.mark.parametrize("function", ["fsync", "mkdir"])
def test_a_refusing_disk_is_told_with_the_way_out_and_the_old_store_survives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, reason: str, function: str
) -> None:
    old = open_or_build(generated_recipe(), tmp_path)

    def refused(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os if function == "fsync" else Path, function, refused)
    with pytest.raises(UserError, match=rf"cannot write to {tmp_path}: .*{reason}.*EUROSAT_CACHE") as caught:
        open_or_build(generated_recipe(seed=1), tmp_path)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert stores(tmp_path) == [old.path.name]
    open_store(old.path)


def test_a_cache_below_a_regular_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to .*a part of its path is a file.*EUROSAT_CACHE"):
        open_or_build(generated_recipe(), tmp_path / "file/cache")
    with pytest.raises(UserError, match=r"cannot write to .*a part of its path is a file"):
        open_or_build(generated_recipe(), tmp_path / "file")


def test_an_unreadable_source_file_is_not_blamed_on_the_cache(tmp_path: Path) -> None:
    def denied(file: str) -> np.ndarray:
        raise PermissionError(errno.EACCES, "Permission denied", file)

    with pytest.raises(UserError, match=r"(?s)60 of 60 files of noise cannot be used.*a/a_1.tif: .*Permission denied"):
        open_or_build(replace(generated_recipe(), decode=denied), tmp_path)


@pytest.mark.slow
def test_a_write_that_really_fails_in_the_middle_is_told(tmp_path: Path) -> None:
    old = open_or_build(generated_recipe(400, seed=0), tmp_path)
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n"
    process = run_python(limit + BUILD, str(tmp_path), "1", NEVER)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 1
    assert f"cannot write to {tmp_path}: the file size limit is reached" in errors
    assert stores(tmp_path) == [old.path.name]
    open_store(old.path)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # a failed test may still hold a mapping


def test_a_really_full_disk_is_told_and_the_old_store_survives(
    tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = open_or_build(generated_recipe(20), tiny_disk)
    with pytest.raises(UserError, match=r"MB are needed"):
        open_or_build(generated_recipe(600), tiny_disk)
    monkeypatch.setattr(build, "require_space", lambda *_: None)  # as if another program filled the disk meanwhile
    with pytest.raises(UserError, match=r"the disk is full.*EUROSAT_CACHE"):
        open_or_build(generated_recipe(600), tiny_disk)
    assert stores(tiny_disk) == [old.path.name]
    open_store(old.path)


def test_a_really_read_only_cache_is_told_but_its_ready_store_still_opens(tiny_disk: Path) -> None:
    ready = open_or_build(generated_recipe(20), tiny_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    again = open_or_build(generated_recipe(20), tiny_disk)
    assert again.path == ready.path
    band_statistics(again, random_split(again.files, again.labels))
    with pytest.raises(UserError, match=r"read-only.*EUROSAT_CACHE"):
        open_or_build(generated_recipe(20, seed=1), tiny_disk)


def test_a_refused_build_lets_go_of_the_stores_of_its_caller(tmp_path: Path) -> None:
    def full() -> list[tuple[str, int]]:
        raise OSError(errno.ENOSPC, "No space left on device")

    def opened() -> weakref.ref[Store]:
        store = open_or_build(generated_recipe(20), tmp_path)
        with pytest.raises(UserError, match="the disk is full"):
            open_or_build(replace(generated_recipe(20, seed=1), files=full), tmp_path)
        return weakref.ref(store)

    gc.disable()
    try:
        assert opened()() is None
    finally:
        gc.enable()


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path / "chosen"))
    assert cache_folder() == tmp_path / "chosen"
    assert open_or_build(generated_recipe()).path.parent == tmp_path / "chosen"
    monkeypatch.delenv("EUROSAT_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "eurosat_cls"


# --- the real thing ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_building_needs_little_memory(tmp_path: Path) -> None:
    code = """
import resource, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from tests.data.helpers import generated_recipe
from eurosat_cls.data.store.store import open_or_build
recipe = generated_recipe(500)
patch = np.zeros((13, 64, 64), np.uint16)
big = replace(recipe, shape=patch.shape, decode=lambda file: patch)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
open_or_build(big, Path(sys.argv[1]))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    process = run_python(code, str(tmp_path))
    out, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    array = 1500 * 13 * 64 * 64 * 2 / 2**20  # 152 MiB
    chunks = 2 * build.available_cores() * 4 + 40
    assert int(out) < max(chunks, array / 2)


@pytest.mark.skipif(not REAL.exists(), reason="the real archive is not here")
def test_the_published_archive_becomes_a_store(tmp_path: Path) -> None:
    source = ZipSource(REAL, CLASS_NAMES)
    names, some = CLASS_NAMES, 20
    chosen = [(file, label) for file, label in source.files() if int(file.split("_")[1].split(".")[0]) <= some]
    recipe = replace(rgb_recipe(source), files=lambda: chosen)
    store = open_or_build(recipe, tmp_path)
    source.close()
    assert np.bincount(store.labels).tolist() == [some] * len(names)
    assert 60 < store.images.mean() < 150
