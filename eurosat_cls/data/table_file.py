"""Read some columns of a table file: CSV in UTF-8, or Parquet."""

import ast
import csv
import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import reading
from eurosat_cls.utils.limits import COLUMNS, ROWS, TABLE, bounded, check_file
from eurosat_cls.utils.names import did_you_mean, nearest, some

Cell = str | list[str]  # text, or the texts of a list

_DELIMITERS = (",", ";", "\t")
_SEPARATOR = re.compile(r"\"?sep=(.|\\t|)\"?", re.IGNORECASE)
_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class TableFile:
    """Some columns of a table.

    Attributes:
        path: the file.
        columns: cells of each column as text without surrounding blanks; empty where there is no value. Whole numbers
            have no decimal point, truth values are ``true`` and ``false``.
        places: where each row is, such as ``"line 2"`` of a CSV file or ``"row 1"`` of a Parquet file.
        sha256: of the whole file, hexadecimal.
    """

    path: Path
    columns: dict[str, list[Cell]]
    places: Sequence[str]
    sha256: str

    def texts(self, column: str) -> list[str]:
        """Return the cells of a column.

        Raises:
            UserError: when one of them is a list.
        """
        texts: list[str] = []
        for place, cell in zip(self.places, self.columns[column], strict=True):
            if isinstance(cell, list):
                raise UserError(f"{self.path}, {place}: column {column!r} holds a list, expected one value")
            texts.append(cell)
        return texts


def read_table(path: Path, wanted: Sequence[str]) -> TableFile:
    """Read the ``wanted`` columns.

    A file is Parquet when its first bytes say so. In a CSV file the first line names the columns, and commas,
    semicolons or tabs divide them, whichever fits that line.

    Raises:
        UserError: when the file cannot be read, is no table, lacks a column, or has no rows or ragged ones.
    """
    digest = hashlib.sha256()
    check_file(path, path, TABLE)
    with reading(path), open(path, "rb") as stream:
        start = stream.read(4)
        digest.update(start)
        while block := stream.read(_CHUNK_BYTES):
            digest.update(block)
    columns, places = _read_parquet(path, wanted) if start == b"PAR1" else _read_csv(path, wanted)
    if not places:
        raise UserError(f"{path} has no rows")
    return TableFile(path, columns, places, digest.hexdigest())


def _read_csv(path: Path, wanted: Sequence[str]) -> tuple[dict[str, list[Cell]], list[str]]:
    try:
        no_text = "neither CSV in UTF-8 nor Parquet: save it as one of them"
        with reading(path, no_text), open(path, encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            if named := _SEPARATOR.fullmatch(first.strip()):  # Excel's own line, which names the delimiter
                skipped, delimiter = 1, named[1].replace("\\t", "\t") or "\t"
            else:
                stream.seek(0)
                skipped, delimiter = 0, _delimiter(first, wanted)
            rows = csv.reader(stream, delimiter=delimiter, strict=True)
            header = [name.strip() for name in next(rows, [])]
            if len(header) > COLUMNS:
                raise UserError(f"{path}: refused, it has more than {COLUMNS:,} columns.")
            _check_columns(path, header, wanted)
            positions = [header.index(name) for name in wanted]
            cells: list[list[Cell]] = [[] for _ in wanted]
            places = []
            for row in bounded(rows, path):
                if not any(row):  # an empty line
                    continue
                if len(row) != len(header):
                    count = f"{len(row)} cells, but the first line names {len(header)} columns"
                    raise UserError(f"{path}, line {rows.line_num + skipped}: {count}")
                places.append(f"line {rows.line_num + skipped}")
                for name, column, position in zip(wanted, cells, positions, strict=True):
                    with _naming(path, places[-1], name):
                        column.append(_cell(row[position]))
    except csv.Error as error:
        raise UserError(f"{path} is no CSV table ({error})") from error
    return dict(zip(wanted, cells, strict=True)), places


def _delimiter(first: str, wanted: Sequence[str]) -> str:
    """Return the delimiter by which the first line has the most wanted columns, and then the most columns."""

    def fit(delimiter: str) -> tuple[int, int]:
        header = {name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])}
        return len(header & set(wanted)), len(header)

    return max(_DELIMITERS, key=fit)


def _read_parquet(path: Path, wanted: Sequence[str]) -> tuple[dict[str, list[Cell]], list[str]]:
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise UserError(f"to read {path} needs pyarrow: pip install 'eurosat-cls[parquet]'") from error
    try:
        with parquet.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow.names, wanted)
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            size = sum(group.column(k).total_uncompressed_size for group in groups for k in range(group.num_columns))
            if size > TABLE or file.metadata.num_rows > ROWS or file.metadata.num_columns > COLUMNS:
                raise UserError(f"{path}: refused, it unpacks to more than {ROWS:,} rows or {TABLE:,} bytes.")
            values: dict[str, list[Any]] = {name: [] for name in wanted}
            unpacked = 0  # what it says of itself need not be so
            for batch in file.iter_batches(256, columns=list(values)):
                if (unpacked := unpacked + batch.nbytes) > TABLE:
                    raise UserError(f"{path}: refused, it unpacks to more than {TABLE:,} bytes.")
                for name, column in values.items():
                    column += batch.column(name).to_pylist()
    except UserError:
        raise
    except (OSError, ValueError, KeyError, arrow.ArrowException) as error:
        raise UserError(f"{path} is no readable Parquet file ({' '.join(str(error).split())[:150]})") from error
    places = [f"row {number}" for number in range(1, len(values[wanted[0]]) + 1)]
    columns: dict[str, list[Cell]] = {}
    for name, found in values.items():
        columns[name] = cells = []
        for place, value in zip(places, found, strict=True):
            with _naming(path, place, name):
                cells.append([_text(item) for item in value] if isinstance(value, list) else _text(value))
    return columns, places


@contextmanager
def _naming(path: Path, place: str, column: str) -> Iterator[None]:
    try:
        yield
    except TypeError as error:
        raise UserError(f"{path}, {place}: column {column!r} holds {error}, expected text or numbers") from error


def _check_columns(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if names.count(name) > 1:
            raise UserError(f"{path} has {names.count(name)} columns called {name!r}")
        if name not in names:
            hint = did_you_mean(nearest(name, names))
            listed = some(names, 12)
            raise UserError(f"{path} has no column {name!r}.{hint} It has {listed[:300] or 'none'}")


def _text(value: Any) -> str:
    """Return a Parquet value as text; TypeError names the type of one that has no such form."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isnan(value):
        return ""
    if not isinstance(value, (str, int, float)):
        raise TypeError(type(value).__name__)
    return _plain(str(value))


def _cell(text: str) -> Cell:
    """Return the cell of a CSV file; a list as Python, JSON and NumPy write one is the list of its texts.

    Raises:
        TypeError: for what looks like such a list, and cannot be read.

    Example:
        >>> _cell(" ['a', 'b c'] "), _cell('["1", 2]'), _cell("[]"), _cell("['a' 'b']"), _cell("[red] roof")
        (['a', 'b c'], ['1', '2'], [], ['a', 'b'], '[red] roof')
    """
    text = text.strip()
    if (text[:1], text[-1:]) not in (("[", "]"), ("(", ")"), ("{", "}")):
        return _plain(text)
    words = re.sub(r"(['\"])\s+(?=['\"])", r"\1, ", text)  # NumPy writes no commas
    for read in (ast.literal_eval, json.loads):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            found = read(words)
            if isinstance(found, (list, tuple, set)):
                return sorted(map(_text, found)) if isinstance(found, set) else [_text(item) for item in found]
    if text[0] == "[" and re.search("[,'\"]", text):
        raise TypeError(f"{text[:40]!r}, which looks like a list and cannot be read")
    return text


def _plain(text: str) -> str:
    """Return ``text`` without blanks around it, and without the ``.0`` that makes a whole number look like a fraction.

    Tables that once had a gap in a column of whole numbers come with it.

    Example:
        >>> _plain(" 3.0 "), _plain("v1.0"), _plain("0.50")
        ('3', 'v1.0', '0.50')
    """
    text = text.strip()
    whole, _, rest = text.partition(".")
    return whole if rest and not rest.strip("0") and whole.lstrip("+-").isdecimal() else text
