"""What others may have made is read as far as it can be what it should be."""

import os
import time
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from eurosat_cls.data.table_file import read_table
from eurosat_cls.utils import limits
from eurosat_cls.utils.errors import UserError


def test_only_plain_files_of_a_bounded_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with open(tmp_path / "sparse", "wb") as stream:
        stream.truncate(2**40)
    for path in (tmp_path / "pipe", tmp_path / "folder", tmp_path / "sparse", Path("/dev/zero"), tmp_path / "none"):
        for read in (limits.read_object, limits.read_rows, lambda path: read_table(path, ["a"])):
            with pytest.raises(UserError, match=path.name):
                read(path)
        assert limits.read_json(path) == {}


@pytest.mark.parametrize("text", ["[1]", "{", '{"a": ' + "[" * 100_000, "\xff", "3", "", '{"a": 1e', "nul"])
def test_what_is_no_object_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"a\.json: cannot be read"):
        limits.read_object(tmp_path / "a.json")


def test_numbers_are_of_a_machine_s_size(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": ' + "9" * 5000 + ', "b": 12}')
    assert limits.read_object(tmp_path / "a.json") == {"a": float("inf"), "b": 12}


@pytest.mark.parametrize(
    ("value", "form", "where"),
    [
        ({"a": {"b": "x"}}, {"a": {"b": limits.COUNT}}, "f: a: b: is 'x', expected a count"),
        ({"a": [1]}, {"*": {"b": limits.TEXT}}, r"f: a: is \[1\], expected names"),
        ({"a": True}, {"a": limits.NUMBER}, "expected a number"),
        ({"a": float("nan")}, {"a": limits.SECONDS}, "expected a time"),
        ({"a": -1}, {"a": limits.COUNT}, "expected a count"),
        (3, {}, "f: is 3"),
    ],
)
def test_a_value_of_another_form_is_named(value: Any, form: Any, where: str) -> None:
    with pytest.raises(UserError, match=where):
        limits.checked(value, form, "f")


def test_tables_have_a_bound_on_rows_columns_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text(",".join(f"c{n}" for n in range(20_000)) + "\n" + ",".join(["1"] * 20_000))
    with pytest.raises(UserError, match="more than"):
        read_table(tmp_path / "wide.csv", ["c0"])
    many = pyarrow.table({"a": pyarrow.array([1]).take(pyarrow.array([0] * 6_000_000))})
    pyarrow.parquet.write_table(many, tmp_path / "many.parquet")
    assert (tmp_path / "many.parquet").stat().st_size < 100_000
    start = time.monotonic()
    with pytest.raises(UserError, match=r"many\.parquet: refused, it unpacks to more than"):
        read_table(tmp_path / "many.parquet", ["a"])
    assert time.monotonic() - start < 2


def test_rows_of_text_have_a_bound_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eurosat_cls.utils.limits.ROWS", 3)
    monkeypatch.setattr("eurosat_cls.utils.limits.COLUMNS", 4)
    for text in ("a\n" + "1\n" * 5, "a\n1,2,3,4,5\n"):
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(UserError, match=r"a\.csv: refused, it has more than 3 rows, or 4 columns"):
            limits.read_rows(tmp_path / "a.csv")
