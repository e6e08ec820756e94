"""The folder of a map: whose it is, whether it is complete, and what may go wrong with it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import NO_SPACE

MANIFEST = "map.json"
WORK = ".work"


def fingerprint(path: Path) -> list[int]:
    """Return the bytes of a file or of all in a folder, and when the latest was changed, in ns."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    states = [file.stat() for file in files]
    return [sum(state.st_size for state in states), max((state.st_mtime_ns for state in states), default=0)]


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return what a finished map says of itself; None where there is no finished one."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("scenes"), list) else None


def is_complete(folder: Path, prints: Sequence[list[int]], paths: Sequence[Path]) -> bool:
    """Whether a folder holds the finished map of these scenes as they are now.

    Raises:
        UserError: when it holds that of others with the same names.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return False
    before = [(scene.get("path"), scene.get("fingerprint")) for scene in manifest["scenes"]]
    now = [(str(path.absolute()), found) for path, found in zip(paths, prints, strict=True)]
    if [found for _, found in before] == [found for _, found in now]:
        return all((folder / name).is_file() for name in manifest.get("files", []))
    if [path for path, _ in before] != [path for path, _ in now]:
        raise UserError(f"{folder} holds the map of {before[0][0]}, another scene of this name; give another --out.")
    return False


@contextmanager
def plain_disk_errors(folder: Path) -> Iterator[None]:
    """Turn the system's refusals to write into one line that says how to go on.

    Raises:
        UserError: for a full disk and whatever else the system refuses.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in NO_SPACE
        reason = "the disk is full" if full else f"{error.strerror or error}"
        raise UserError(
            f"{error.filename or folder}: {reason}. What is done stays; the same command goes on from there."
        ) from error
