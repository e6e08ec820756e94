"""Limits, once: what others may have made is read as far as it can be what it should be, and no further.

- Only plain files are read, none larger than its kind ever is; a pipe is not waited for.
- JSON has numbers of a machine's size, and where it is used, values of the kinds that are expected.
- Tables have a bound on rows, columns and cells.

Whatever is beyond that ends with a message that names the file, and the key or the line. Work between two looks at
a signal is bounded by these sizes too.
"""

import csv
import errno
import json
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import reading

SETTINGS, RESULTS, PICTURE, TABLE = 2**20, 2**25, 2**25, 2**31  # bytes of a file of such a kind, at most
ROWS, COLUMNS = 5_000_000, 10_000


def read_bytes(path: Path, most: int) -> bytes:
    """Return the bytes of a plain file.

    Raises:
        UserError: when it cannot be read, is no plain file, or has more bytes.
    """
    try:
        with reading(path), open(path, "rb", opener=_without_waiting) as stream:
            check_file(path, stream.fileno(), most)
            return stream.read(most)
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: cannot be read (no file has such a name).") from None


def check_file(path: Path, file: int | Path, most: int) -> None:
    """Refuse what is no plain file, or has more bytes.

    Raises:
        UserError: naming ``path``.
    """
    with reading(path):
        state = os.stat(file)
        if stat.S_ISDIR(state.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(state.st_mode):
        raise UserError(f"{path}: cannot be read (it is no plain file).")
    if state.st_size > most:
        raise UserError(f"{path}: refused, it has {state.st_size:,} bytes, more than the {most:,} that are read.")


def read_object(path: Path, most: int = RESULTS) -> dict[str, Any]:
    """Return the object that a JSON file holds; whole numbers of more than 18 digits are floats.

    Raises:
        UserError: when it cannot be read, or is something else.
    """
    try:
        content = json.loads(read_bytes(path, most).decode("utf-8"), parse_int=_whole)
    except (ValueError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: cannot be read ({str(error).splitlines()[0]}).") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: cannot be read (it holds no names with values).")
    return content


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds; nothing where there is no such file, or it is damaged."""
    try:
        return read_object(path)
    except UserError:
        return {}


class Kind(NamedTuple):
    """What a value can be: in words, and as a test."""

    words: str
    fits: Callable[[Any], bool]


TEXT = Kind("text", lambda value: isinstance(value, str))
COUNT = Kind("a count", lambda value: type(value) is int and 0 <= value < 2**53)
NUMBER = Kind("a number", lambda value: type(value) in (int, float))
SECONDS = Kind("a time in seconds", lambda value: NUMBER.fits(value) and math.isfinite(value) and value >= 0)


def checked(value: Any, form: Kind | Mapping[str, Any], where: str) -> Any:
    """Return a value that has a form, without what is null in it.

    Args:
        value: plain data.
        form: a kind, or a mapping of names to forms; ``*`` stands for all names, and what it does not name may be
            anything.
        where: the file, and the names that lead to the value.

    Raises:
        UserError: for something else, naming where it is.

    Example:
        >>> checked({"seconds": 2.5, "of": None, "by": [1]}, {"seconds": SECONDS, "of": COUNT}, "a.json")
        {'seconds': 2.5, 'by': [1]}
    """
    if isinstance(form, Kind):
        if not form.fits(value):
            raise UserError(f"{where}: is {repr(value)[:40]}, expected {form.words}.")
        return value
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: is {repr(value)[:40]}, expected names with values.")
    forms = {name: form.get(name, form.get("*")) for name, item in value.items() if item is not None}
    return {
        name: value[name] if inner is None else checked(value[name], inner, f"{where}: {name}")
        for name, inner in forms.items()
    }


def bounded(rows: Iterable[list[str]], path: Path) -> Iterator[list[str]]:
    """Yield the rows of a CSV file.

    Raises:
        UserError: for more than :data:`ROWS` or :data:`COLUMNS`, and for what is no CSV.
    """
    try:
        for number, row in enumerate(rows):
            if number > ROWS or len(row) > COLUMNS:
                raise UserError(f"{path}: refused, it has more than {ROWS:,} rows, or {COLUMNS:,} columns.")
            yield row
    except csv.Error as error:
        raise UserError(f"{path} is no CSV table ({error})") from error


def read_rows(path: Path, most: int = RESULTS) -> list[dict[str, str]]:
    """Return the rows of a CSV file in UTF-8 by the names in its first line; cells that a row lacks are empty.

    Raises:
        UserError: when it cannot be read, or is no such table.
    """
    try:
        lines = read_bytes(path, most).decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        raise UserError(f"{path}: cannot be read (not a text file in UTF-8).") from None
    rows = bounded(csv.reader(lines), path)
    head = next(rows, [])
    return [dict(zip(head, row + [""] * (len(head) - len(row)), strict=False)) for row in rows if row]


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= 18 else float(digits)


def _without_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
