"""The cache is listed, and cleared of what is ours while nobody uses it, and of nothing else."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from eurosat_cls.data import Demo
from eurosat_cls.data.cached import entries
from eurosat_cls.utils.locks import locked
from tests.conftest import exit_code, subprocess_env

Said = Callable[..., tuple[int, str]]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, with a store in it."""
    folder = tmp_path / "own cache"
    monkeypatch.setenv("EUROSAT_CACHE", str(folder))
    Demo(2).open_store()
    gc.collect()
    return folder


@pytest.fixture
def cached(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run the command; return its exit code, and what it said."""

    def command(*arguments: str) -> tuple[int, str]:
        code = exit_code(["cache", *arguments])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return command


def store_in(cache: Path) -> Path:
    return next(cache.glob("demo-2-0-*/"))


def test_what_there_is_has_name_size_source_and_last_use(cache: Path, cached: Said) -> None:
    os.utime(store_in(cache), (0, 1_700_000_000))
    (cache / "downloads").mkdir()
    (cache / "downloads" / "EuroSAT.zip").write_bytes(bytes(2_000_000))
    (cache / "stranger.txt").write_text("mine")
    code, said = cached()
    assert code == 0
    assert store_in(cache).name in said
    assert "demo data" in said
    assert "2023-11-1" in said
    assert "downloads/EuroSAT.zip" in said
    assert "2.0 MB" in said
    assert "stranger" not in said
    Demo(2).open_store()
    assert max(entry.used for entry in entries()) > 1_700_000_001


def test_what_is_cleared_is_gone_and_made_again(cache: Path, cached: Said) -> None:
    name = store_in(cache).name
    assert cached("--clear", name)[0] == 0
    assert entries() == []
    assert len(Demo(2).open_store().files) == 20
    gc.collect()
    assert cached("--clear")[0] == 0
    assert [path.suffix for path in cache.iterdir()] == [".lock"]
    assert cached()[1].endswith("nothing\n")
    assert cached("--clear") == (0, f"{cache}: nothing\n")


@pytest.mark.slow
def test_a_store_that_a_program_has_open_is_left(cache: Path, cached: Said) -> None:
    code = "from eurosat_cls.data import Demo; store = Demo(2).open_store(); print('open', flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, env=subprocess_env()) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        assert "in use" in cached()[1]
        code_of_clear, said = cached("--clear")
        assert code_of_clear == 2
        assert f"{store_in(cache)}: in use by a running program" in said
        other.communicate(b"\n")
    assert cached("--clear")[0] == 0  # also if it had been killed: the system knows


def test_what_is_being_made_is_left(cache: Path, cached: Said) -> None:
    (cache / "downloads").mkdir()
    (cache / "downloads" / "EuroSAT.zip").write_bytes(b"zip")
    store = store_in(cache)
    with locked(cache / f"{store.name[:-17]}.lock", "the store"):
        code, said = cached("--clear")
    assert code == 2
    assert "in use by process" in said
    assert "is left, as a store is being built" in said
    assert store.is_dir()
    assert (cache / "downloads" / "EuroSAT.zip").is_file()


def test_what_is_not_recognisably_ours_is_left(cache: Path, cached: Said, tmp_path: Path) -> None:
    store, outside = store_in(cache), tmp_path / "outside"
    outside.mkdir()
    (outside / "manifest.json").write_text("{}")
    (cache / f"linked-{16 * 'a'}").symlink_to(outside)
    (cache / "downloads").mkdir()
    (cache / "downloads" / "EuroSAT.zip").symlink_to(outside / "manifest.json")
    (store / "letter.txt").write_text("mine")
    code, said = cached("--clear")
    assert code == 2
    assert "holds letter.txt, which is not of this program" in said
    assert said.count("is no plain") == 2
    assert (store / "letter.txt").is_file()
    assert (outside / "manifest.json").is_file()
    (store / "letter.txt").unlink()
    (store / "images.npy").unlink()
    (store / "images.npy").symlink_to(outside / "manifest.json")
    assert cached("--clear", store.name)[0] == 2


def test_a_link_in_the_place_of_a_lock_is_not_opened(cache: Path, cached: Said, tmp_path: Path) -> None:
    store, victim = store_in(cache), tmp_path / "victim"
    victim.write_text("kept")
    lock = cache / f"{store.name[:-17]}.lock"
    lock.unlink(missing_ok=True)
    lock.symlink_to(victim)
    assert cached()[0] == 0
    assert cached("--clear")[0] == 2
    assert victim.read_text() == "kept"
    assert store.is_dir()


def test_leftovers_and_damaged_stores_are_cleared(cache: Path, cached: Said) -> None:
    store = store_in(cache)
    (store / "manifest.json").write_text("{")
    left = cache / f".{store.name}.{16 * '0'}.part" / store.name
    left.mkdir(parents=True)
    (left / "images.npy").write_bytes(b"half")
    said = cached()[1]
    assert "damaged" in said
    assert "left by a process that was killed" in said
    assert cached("--clear")[0] == 0
    assert not store.exists()
    assert not left.parent.exists()


@pytest.mark.parametrize("name", ["demo-2-0", "../own cache", "downloads", "/", "stranger.txt", ""])
def test_an_unknown_name_removes_nothing(name: str, cache: Path, cached: Said) -> None:
    (cache / "stranger.txt").write_text("mine")
    code, said = cached("--clear", store_in(cache).name, name)
    assert code == 2
    assert f"cache --clear {name}: {cache} has no such entry." in said
    assert store_in(cache).is_dir()


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files away")
def test_what_belongs_to_another_user_is_left(cache: Path, cached: Said) -> None:
    os.chown(store_in(cache), 12345, 12345)
    code, said = cached("--clear")
    assert code == 2
    assert "belongs to another user" in said
    assert store_in(cache).is_dir()
