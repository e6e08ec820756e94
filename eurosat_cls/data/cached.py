"""What lies in the cache folder, as far as it is recognisably ours: listed, and removed while nobody uses it."""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.table import Table

from eurosat_cls.data.cifar10_files import ARCHIVE, URL
from eurosat_cls.data.files.source import EUROSAT_MS, EUROSAT_RGB
from eurosat_cls.data.splits.official import ADDRESS, SHA256
from eurosat_cls.utils.cache import cache_folder
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import reading, writing
from eurosat_cls.utils.locks import is_locked, locked, unshared
from eurosat_cls.utils.names import did_you_mean, nearest
from eurosat_cls.utils.text import print_table, printable

_STORE = re.compile(r"([\w-]+)-[0-9a-f]{16}")
_UNFINISHED = re.compile(r"\.([\w-]+)-[0-9a-f]{16}\.([0-9a-f]{16}\.part|old)")
_IN_STORE = re.compile(r"images\.npy|manifest\.json|statistics-[0-9a-f]{64}\.json|\.statistics-.*\.part")
_HELP = re.compile(r"[\w-]+-[0-9a-f]{16}\.txt")
_DOWNLOADS = {
    **{f"downloads/{archive.name}": archive.url for archive in (EUROSAT_RGB, EUROSAT_MS)},
    f"downloads/{ARCHIVE}": URL,
    **{f"downloads/splits/{name}": ADDRESS + name for name in SHA256},
}


@dataclass(frozen=True)
class Entry:
    """Something in the cache folder.

    Attributes:
        name: its path below the folder.
        path: the whole path.
        source: what it was made of.
        lock: what those hold who make it; None where nobody does.
        size: bytes.
        used: seconds since 1970, of the last use.
        kept: why it is never removed; empty where nothing speaks against it.
    """

    name: str
    path: Path
    source: str
    lock: Path | None
    size: int
    used: float
    kept: str

    @property
    def in_use(self) -> bool:
        """Whether a running program has it open, or makes it."""
        with ExitStack() as held, suppress(OSError, UserError):  # a link in place of a lock: said when it is removed
            if self.lock is not None and self.lock.exists() and is_locked(self.lock):
                return True
            return not held.enter_context(unshared(self.path / "manifest.json"))
        return False


def entries() -> list[Entry]:
    """Return what the cache folder holds of ours, stores first.

    Raises:
        UserError: when the folder cannot be read.
    """
    cache = cache_folder()
    if not cache.exists():
        return []
    with reading(cache):
        names = sorted(entry.name for entry in os.scandir(cache))
    return list(_found(cache, names))


def _found(cache: Path, names: Sequence[str]) -> Iterator[Entry]:
    for name in names:
        if match := _STORE.fullmatch(name):
            yield _entry(cache, name, _source(cache / name), f"{match[1]}.lock", _IN_STORE)
    for name in names:
        if match := _UNFINISHED.fullmatch(name):
            yield _entry(cache, name, "left by a process that was killed", f"{match[1]}.lock", _IN_STORE)
    for name, url in _DOWNLOADS.items():
        for each in (name, f"{name}.part"):
            if os.path.lexists(cache / each):
                yield _entry(cache, each, url, f"{name}.lock")
    if "help" in names:
        yield _entry(cache, "help", "texts of --help-all", None, _HELP)
    if "machine.json" in names:
        yield _entry(cache, "machine.json", "measured precisions and memory formats", "machine.lock")


def _entry(cache: Path, name: str, source: str, lock: str | None, inside: re.Pattern[str] | None = None) -> Entry:
    path = cache / name
    state = path.lstat()
    size, kept = state.st_size, ""
    if hasattr(os, "getuid") and state.st_uid != os.getuid():
        kept = "belongs to another user"
    elif inside is None:
        kept = "" if path.is_file() and not path.is_symlink() else "is no plain file"
    elif path.is_symlink() or not path.is_dir():
        kept = "is no plain folder"
    else:
        size, kept = _walk(path, inside)
    used = max(state.st_mtime, state.st_atime) if inside is None else state.st_mtime
    return Entry(name, path, source, None if lock is None else cache / lock, size, used, kept)


def _walk(folder: Path, inside: re.Pattern[str]) -> tuple[int, str]:
    """Add up what a folder holds; name what is not ours in it."""
    size = 0
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            known = _STORE.fullmatch(name.removesuffix(".former")) if name in folders else inside.fullmatch(name)
            if path.is_symlink() or not known:
                return size, f"holds {path.relative_to(folder)}, which is not of this program"
            size += path.lstat().st_size if name in files else 0
    return size, ""


def _source(store: Path) -> str:
    try:
        return str(json.loads((store / "manifest.json").read_text(encoding="ascii"))["source"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "damaged: built again when it is used"


def print_cache() -> None:
    """Print a table of what the cache folder holds."""
    found, table = entries(), Table("name", "size", "made of", "last use", "", title=printable(str(cache_folder())))
    table.columns[1].justify = "right"
    for each in found:
        used = datetime.fromtimestamp(each.used).isoformat(" ", "minutes")
        state = each.kept or ("in use" if each.in_use else "")
        table.add_row(printable(each.name), _size(each.size), printable(each.source), used, printable(state))
    if found:
        print_table(table)
    print(f"{cache_folder()}: {_size(sum(each.size for each in found))}" if found else f"{cache_folder()}: nothing")


def clear(names: Sequence[str]) -> None:
    """Remove what the cache folder holds by these names, or all of it, and print each; what is in use is left.

    Raises:
        UserError: for an unknown name, before anything is removed, and for what was left.
    """
    found = {each.name: each for each in entries()}
    for name in names:
        if name not in found:
            near = did_you_mean(nearest(name, found))
            raise UserError(f"cache --clear {name}: {cache_folder()} has no such entry.{near} `cache` lists them.")
    left = []
    for each in [found[name] for name in dict.fromkeys(names)] or list(found.values()):
        try:
            _remove(each)
            print(f"removed {each.name}: {_size(each.size)}")
        except UserError as error:
            left.append(str(error))
    if left:
        raise UserError("\n".join(left))
    if not found:
        print(f"{cache_folder()}: nothing")


def _remove(entry: Entry) -> None:
    """Remove an entry; a store loses its name first. Lock files stay, as two might hold one that was made anew.

    Raises:
        UserError: when it is in use, cannot be removed, or is not ours alone.
    """
    if entry.kept:
        raise UserError(f"{entry.path}: is left, it {entry.kept}.")
    if entry.name.startswith("downloads/") and any(map(is_locked, cache_folder().glob("*.lock"))):
        raise UserError(f"{entry.path}: is left, as a store is being built.")
    with writing(entry.path), ExitStack() as held:
        if entry.lock is not None:
            held.enter_context(locked(entry.lock, str(entry.path)))
        if entry.path.is_file():
            return entry.path.unlink()
        with suppress(FileNotFoundError):  # what has no manifest is no store that anybody could open
            if not held.enter_context(unshared(entry.path / "manifest.json")):
                raise UserError(f"{entry.path}: in use by a running program; end it, or shut its notebook down.")
        gone = entry.path
        if _STORE.fullmatch(entry.name):
            gone = entry.path.rename(entry.path.with_name(f".{entry.name}.{secrets.token_hex(8)}.part"))
        shutil.rmtree(gone)


def _size(count: int) -> str:
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
