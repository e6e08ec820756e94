"""Write files so that a reader never sees half of one."""

import csv
import errno
import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from eurosat_cls.utils.errors import UserError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)  # what the system says of a full disk, and of a full share of one


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; when the block ends well, flush it to disk and rename it onto ``path``.

    The rename is flushed too, so that it lasts through a power cut. When the block raises, the temporary file is
    removed and ``path`` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def writing(path: str | Path, way_out: str = "", optional: bool = False) -> Iterator[None]:
    """Say in one way that a file, or a folder, cannot be written, wherever it is.

    Args:
        path: what is written in the block.
        way_out: a sentence for the end of the message; that a full disk needs space is said anyway.
        optional: warn only, where the work is of use without it.

    Raises:
        UserError: for an OSError of the block, unless ``optional``.
    """
    try:
        yield
    except OSError as error:
        full = " Free some space." if error.errno in NO_SPACE else ""
        message = f"{path}: cannot be written ({error.strerror or error}).{way_out and ' '}{way_out}{full}"
        if not optional:
            raise UserError(message) from error
        warnings.warn(message, stacklevel=3)


@contextmanager
def reading(path: str | Path, no_text: str = "not a text file in UTF-8") -> Iterator[None]:
    """Say in one way that a file, or a folder, cannot be read, and by ``no_text`` what is wrong with other bytes.

    Raises:
        UserError: for an OSError of the block, and for text that is not in UTF-8.
    """
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror or error if isinstance(error, OSError) else no_text
        raise UserError(f"{path}: cannot be read ({reason}).") from error


def full_disk(error: BaseException | None) -> OSError | None:
    """Return the error of a full disk that another exception was made of, if any."""
    while error is not None and not (isinstance(error, OSError) and error.errno in NO_SPACE):
        error = error.__cause__ or error.__context__
    return error


def remove_parts(folder: Path, pattern: str) -> None:
    """Remove what processes that were killed inside :func:`replacing` left of files of these names.

    No other process may be writing such files into the folder.
    """
    for part in folder.glob(f".{pattern}.*.part"):
        part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` last through a power cut, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text through :func:`replacing`; bytes of names that are not in UTF-8 are spelt with backslashes."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON through :func:`replacing`."""
    write_text(path, json.dumps(value, indent=2, allow_nan=True) + "\n")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds; nothing where there is no such file, or it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV with commas and Unix line ends.

    Example:
        >>> print(csv_text([["file", "class"], ["a,b.jpg", 3]]), end="")
        file,class
        "a,b.jpg",3
    """
    lines: list[str] = []
    # With its own line ends the writer quotes a carriage return in a name.
    csv.writer(SimpleNamespace(write=lines.append)).writerows(rows)
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines)
