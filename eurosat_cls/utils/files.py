"""The one writer: what this package writes gets its name when it is whole, and goes through no link.

- A file (:func:`created`) is made anew, under a random name, in its folder as that was opened, and through no link;
  it is flushed to disk and renamed. A reader never sees half of one; a link of its name is replaced, not followed.
- What a library writes by itself (:func:`replacing`) goes into a fresh folder that is closed to others, and from there
  to its name in the same way.
- A file that grows (:func:`growing`) is opened where it is a plain file of one name.
- A folder that others may have made is looked through before anything is written into it (:func:`look_through`).
"""

import csv
import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

from eurosat_cls.utils.errors import UserError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)  # what the system says of a full disk, and of a full share of one
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # nor a wait for the other end of a pipe


@contextmanager
def created(path: Path) -> Iterator[BinaryIO]:
    """Yield a new binary file, to write and to read; when the block ends well, it replaces what has the name ``path``.

    When the block raises, the new file is removed and ``path`` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path.parent) as folder:
        part = _named(_part_of(path), folder)
        try:
            with open(part, "x+b", opener=_opener(folder)) as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(part, _named(path, folder), src_dir_fd=folder, dst_dir_fd=folder)
            _sync(folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(part, dir_fd=folder)
            raise


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path of the same name in a fresh folder beside, for a library that makes a file, or a folder, by itself.

    When the block ends well, that replaces what has the name ``path``; else ``path`` stays as it was.
    """
    with private_folder(path) as folder:
        yield folder / path.name
        publish(folder / path.name, path)


@contextmanager
def private_folder(beside: Path) -> Iterator[Path]:
    """Yield a fresh folder beside a path, which nobody else may enter; it is removed with what is left in it."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    folder = _part_of(beside)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(made: Path, path: Path) -> None:
    """Flush a file, or a folder of files, to disk, and let it replace what has the name ``path`` on the same disk."""
    for file in (file for file in (made, *made.rglob("*")) if file.is_file()):
        with open(file, "rb+") as stream:
            os.fsync(stream.fileno())
    with _opened(path.parent) as folder:
        if made.is_dir() and os.path.lexists(path):
            former = made.with_name(f"{made.name}.former")  # goes with the fresh folder
            os.replace(_named(path, folder), former, src_dir_fd=folder)
        os.replace(made, _named(path, folder), dst_dir_fd=folder)
        _sync(folder)


def growing(path: Path) -> BinaryIO:
    """Open a file, made where there is none, to read it and to write at its end.

    Raises:
        OSError: when it cannot be, and for a link, a pipe or such, or a file that has other names too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path.parent) as folder:
        stream = open(_named(path, folder), "a+b", opener=_opener(folder))  # noqa: SIM115 - the caller closes it
    state = os.fstat(stream.fileno())
    if not stat.S_ISREG(state.st_mode) or state.st_nlink != 1:
        stream.close()
        raise OSError(errno.EPERM, "it is no plain file of one name", str(path))
    return stream


def look_through(folder: Path) -> Path:
    """Return a folder that others may have made, when nothing in it leads elsewhere; the way to it may be a link.

    Raises:
        UserError: naming the first symbolic link, pipe, socket or device in it, at any depth.
    """
    waiting = [str(folder)]
    with reading(folder):
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif not entry.is_file(follow_symlinks=False):
                        kind = "a link" if entry.is_symlink() else "no plain file"
                        raise UserError(f"{entry.path}: refused, it is {kind}; what is written must stay in {folder}.")
    return folder


@contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """Yield the folder's descriptor, where the system takes names relative to one."""
    if os.open not in os.supports_dir_fd:
        yield None
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _opener(folder: int | None) -> Any:
    return lambda name, flags: os.open(name, flags | _NO_LINK, 0o666, dir_fd=folder)


def _named(path: Path, folder: int | None) -> str:
    return str(path) if folder is None else path.name


def _part_of(path: Path) -> Path:
    name = path.name if len(os.fsencode(path.name)) <= 200 else path.name[-50:]  # systems take 255 bytes
    return path.with_name(f".{name}.{secrets.token_hex(8)}.part")


def _sync(folder: int | None) -> None:
    """Make a rename last through a power cut."""
    if folder is not None:
        os.fsync(folder)


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
    """Remove what processes that were killed while they wrote files of these names have left.

    No other process may be writing such files into the folder.
    """
    for part in folder.glob(f".{pattern}.*.part"):
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes through :func:`created`."""
    with created(path) as stream:
        stream.write(content)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text through :func:`created`; bytes of names that are not in UTF-8 are spelt with backslashes."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


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
