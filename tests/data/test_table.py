"""Tables of images: labels of every task, divisions, and that every mistake names table, row and value."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eurosat_cls.data import Table
from eurosat_cls.utils.errors import UserError
from tests.data.generated import LAND, make_table, multilabel_rows, pixels, single_label_rows, write_image, write_rows

Rows = list[dict[str, Any]]
FORMATS = ["t.csv", "t.parquet"]


def labels_of(data: Table) -> dict[str, Any]:
    """The class names of each file."""
    store = data.store
    if store.multilabel:
        return {f: {store.class_names[k] for k in np.flatnonzero(row)} for f, row in zip(store.files, store.labels)}
    return {file: store.class_names[label] for file, label in zip(store.files, store.labels.tolist())}


def labelled(values: list[Any], column: str = "label") -> Rows:
    return [{"file": f"images/{n}.png", column: value} for n, value in enumerate(values)]


def refusal(path: Path, rows: Rows, message: str, **settings: Any) -> None:
    """Expect a refusal of at most two lines that names the table and matches ``message``."""
    make_table(path, rows)
    with pytest.raises(UserError, match=message) as caught:
        Table(str(path), **settings).split  # noqa: B018
    assert str(path) in str(caught.value)
    assert str(caught.value).count("\n") <= 1


# --- one label --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("order", [1, -1])
def test_each_file_has_the_label_of_its_row(tmp_path: Path, name: str, order: int) -> None:
    rows = single_label_rows()[::order]
    data = Table(str(make_table(tmp_path / name, rows)))
    assert data.class_names == list(LAND)
    assert labels_of(data) == {row["file"]: row["label"] for row in rows}
    assert data.store.files[:3] == ["images/field_0.png", "images/field_1.png", "images/field_2.png"]
    levels = np.asarray(data.store.images).mean((1, 2, 3))
    assert all(np.ptp(levels[data.store.labels == k]) < 10 for k in range(3))
    assert data.class_counts == [6, 6, 6]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_commas_semicolons_and_tabs_divide_columns(tmp_path: Path, delimiter: str) -> None:
    rows = [{**row, "id": "a,b;c", "no, te": 'said "x"'} for row in single_label_rows(5)]
    path = make_table(tmp_path / "t.csv", rows, delimiter)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\r\n")  # a byte order mark and an empty line
    assert labels_of(Table(str(path))) == {row["file"]: row["label"] for row in rows}


def test_blanks_backslashes_and_detours_are_no_part_of_names(tmp_path: Path) -> None:
    rows = single_label_rows(5)
    path = make_table(tmp_path / "t.csv", rows)
    expected = labels_of(Table(str(path)))
    for row in rows:
        row["file"], row["label"] = f" ./x/..\\{row['file']} ".replace("/", "\\"), f" {row['label']} "
    write_rows(path, rows)
    assert labels_of(Table(str(path))) == expected


def test_files_may_lie_in_another_folder_and_have_absolute_names_below_it(tmp_path: Path) -> None:
    rows = single_label_rows(5)
    make_table(tmp_path / "data" / "t.csv", rows)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    for row, home in zip(rows, (tmp_path / "data", tmp_path / "link", Path()) * 5):
        row["file"] = str(home / row["file"])
    write_rows(tmp_path / "t.csv", rows)
    for root in ("data", "link"):
        data = Table(str(tmp_path / "t.csv"), root=str(tmp_path / root)) if root == "link" else None
        if data is not None:
            assert sorted(data.store.files) == sorted(row["file"] for row in single_label_rows(5))
    with pytest.raises(UserError, match=r"t.csv, line 3: refused, .*link.* leads out of"):
        Table(str(tmp_path / "t.csv"), root=str(tmp_path / "data")).store  # noqa: B018


@pytest.mark.parametrize("values", [[0, 2, 10], ["0", "2", "10"], ["0.0", "2.0", "10.0"], [0.0, 2.0, 10.0]])
@pytest.mark.parametrize("name", FORMATS)
def test_whole_numbers_are_classes_in_numerical_order(tmp_path: Path, name: str, values: list[Any]) -> None:
    data = Table(str(make_table(tmp_path / name, labelled(values * 5))))
    assert data.class_names == ["0", "2", "10"]
    assert [labels_of(data)[f"images/{n}.png"] for n in range(3)] == ["0", "2", "10"]


def test_class_names_give_the_order_and_catch_other_labels(tmp_path: Path) -> None:
    names = ["water", "forest", "field"]
    path = make_table(tmp_path / "t.csv", single_label_rows(5))
    data = Table(str(path), class_names=names)
    assert data.class_names == names
    assert all(name in file for file, name in labels_of(data).items())
    with pytest.raises(
        UserError, match=r"5 labels are not in data.class_names, first 'forest' in line 7. Did you mean"
    ):
        Table(str(path), class_names=["water", "forrest", "field"]).store  # noqa: B018
    with pytest.raises(UserError, match=r"no row has class sea$"):
        Table(str(path), class_names=[*names, "sea"]).store  # noqa: B018
    with pytest.raises(UserError, match="names a class twice"):
        Table(str(path), class_names=[*names, "water"])


# --- two classes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[0, 1], [False, True], ["no", "yes"], ["FALSE", "TRUE"], [0.0, 1.0]])
@pytest.mark.parametrize("name", FORMATS)
def test_truth_values_make_two_classes(tmp_path: Path, name: str, values: list[Any]) -> None:
    path = make_table(tmp_path / name, labelled(values * 6, "flooded"))
    data = Table(str(path), label_column="flooded", task="binary")
    assert data.class_names == ["not flooded", "flooded"]
    assert labels_of(data)["images/1.png"] == "flooded"
    assert labels_of(data)["images/4.png"] == "not flooded"
    assert data.store.labels.dtype == np.int64
    data = Table(str(path), label_column="flooded", task="binary", class_names=["dry", "wet"])
    assert labels_of(data)["images/1.png"] == "wet"
    data = Table(str(path), label_column="flooded", task="binary", positive="not flooded")
    assert data.class_names == ["flooded", "not flooded"]
    assert labels_of(data)["images/1.png"] == "flooded"


def test_of_two_names_the_second_or_the_chosen_one_is_positive(tmp_path: Path) -> None:
    path = make_table(tmp_path / "t.csv", single_label_rows(5, ["wet", "dry"]))
    for settings, names in [
        ({}, ["dry", "wet"]),
        ({"positive": "dry"}, ["wet", "dry"]),
        ({"class_names": ["wet", "dry"]}, ["wet", "dry"]),
        ({"class_names": ["wet", "dry"], "positive": "wet"}, ["dry", "wet"]),
    ]:
        data = Table(str(path), task="binary", **settings)  # type: ignore[arg-type]
        assert data.class_names == names
        assert all(name in file for file, name in labels_of(data).items())
    with pytest.raises(UserError, match="'damp' is not a class; the classes are dry, wet"):
        Table(str(path), task="binary", positive="damp").store  # noqa: B018


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 1, 2], r"line 4: label is '2', expected 0 or 1"),
        (["yes", "no", "maybe"], r"line 4: label is 'maybe', expected 0 or 1"),
        ([0, 1, 0.5], r"line 4: label is 0.5, a number with a fraction"),
        ([0, 0, 0], r"no row has class label"),
        (["a", "a", "a"], r"one class only|has 1"),
        (["a", "b", "c"], r"'label' has 3: a, b, c"),
        ([0, 1, ""], r"4 rows have no label in column 'label': line 4, line 7, line 10, line 13$"),
    ],
)
def test_a_binary_column_must_have_two_values(tmp_path: Path, values: list[Any], message: str) -> None:
    make_table(tmp_path / "t.csv", labelled(values * 4))
    with pytest.raises(UserError, match=message):
        Table(str(tmp_path / "t.csv"), task="binary").store  # noqa: B018


# --- several labels ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("separator", ["|", ";", ", "])
def test_a_cell_can_name_any_number_of_classes(tmp_path: Path, name: str, separator: str) -> None:
    rows = multilabel_rows()
    expected = {row["file"]: set(filter(None, row["label"].split("|"))) for row in rows}
    rows = [{**row, "label": row["label"].replace("|", separator)} for row in rows]
    data = Table(str(make_table(tmp_path / name, rows)), task="multilabel", separator=separator.strip())
    assert data.class_names == list(LAND)
    assert labels_of(data) == expected
    assert set() in expected.values()
    assert data.store.labels.dtype == np.uint8
    again = Table(str(tmp_path / name), task="multilabel", separator=separator.strip())
    assert labels_of(again) == expected  # now from the store on disk
    assert again.split.sha256 == data.split.sha256


def test_batches_of_several_labels_are_zeros_and_ones(tmp_path: Path) -> None:
    data = Table(str(make_table(tmp_path / "t.csv", multilabel_rows())), task="multilabel", batch_size=7)
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch.target.shape == (7, 3)
    assert batch.target.dtype == torch.float32
    for file, row in zip(data.files(batch.indices.tolist()), batch.target.tolist()):
        assert {name for name, there in zip(data.class_names, row) if there} == labels_of(data)[file]


def test_a_parquet_list_names_classes(tmp_path: Path) -> None:
    rows = [{**row, "label": [name for name in row["label"].split("|") if name]} for row in multilabel_rows()]
    path = make_table(tmp_path / "t.parquet", rows)
    assert labels_of(Table(str(path), task="multilabel")) == {row["file"]: set(row["label"]) for row in rows}
    with pytest.raises(UserError, match=r"t.parquet, row 1: column 'label' holds a list, expected one value"):
        Table(str(path)).store  # noqa: B018


@pytest.mark.parametrize("name", FORMATS)
def test_a_column_for_each_class(tmp_path: Path, name: str) -> None:
    truth = {row["file"]: set(filter(None, row["label"].split("|"))) for row in multilabel_rows()}
    rows = [{"file": file, **{k: int(k in there) for k in LAND}} for file, there in truth.items()]
    path = make_table(tmp_path / name, rows)
    data = Table(str(path), label_columns=["water", "field", "forest"], task="multilabel")
    assert data.class_names == ["water", "field", "forest"]
    assert labels_of(data) == truth
    one = Table(str(path), label_columns=["water"], task="multilabel")
    assert one.class_names == ["water"]
    assert one.store.path != data.store.path
    assert data.store.path.exists(), "two readings of one table must not replace each other's stores"


def test_bad_columns_of_zeros_and_ones_are_named(tmp_path: Path) -> None:
    rows = [{"file": f"{n}.png", "wet": n % 2, "dry": 0, "part": 0.5 if n == 7 else 1} for n in range(12)]
    settings: dict[str, Any] = {"task": "multilabel"}
    refusal(tmp_path / "t.csv", rows, r"t.csv, line 9: part is '0.5', expected 0 or 1",
            label_columns=["wet", "part"], **settings)  # fmt: skip
    refusal(tmp_path / "t.csv", rows, r"no row has class dry$", label_columns=["wet", "dry"], **settings)
    refusal(tmp_path / "t.csv", rows, r"no column 'wett'. Did you mean 'wet'\?", label_columns=["wett"], **settings)


def test_another_separator_and_unknown_names_are_told(tmp_path: Path) -> None:
    rows = [{**row, "label": row["label"].replace("|", ";")} for row in multilabel_rows()]
    refusal(tmp_path / "t.csv", rows, r"line 5: 'field;forest' holds no '\|' but ';': set data.separator",
            task="multilabel")  # fmt: skip
    rows = multilabel_rows()
    refusal(tmp_path / "t.csv", rows, r"labels are not in data.class_names, first 'water' in line 6",
            task="multilabel", class_names=["field", "forest"])  # fmt: skip
    rows = [{**row, "label": ""} for row in rows]
    refusal(tmp_path / "t.csv", rows, r"column 'label' names no class in any row", task="multilabel")


def test_several_labels_in_a_task_for_one_are_refused(tmp_path: Path) -> None:
    rows = [row for row in multilabel_rows() if row["label"]]
    refusal(tmp_path / "t.csv", rows, r"line 4: label 'field\|forest' joins several by '\|'; set data.task: multilabel")


# --- divisions --------------------------------------------------------------------------------------------------------


def divided_rows(unused: int = 3) -> Rows:
    rows = single_label_rows(12)
    for number, row in enumerate(rows):
        row["split"] = ["train", "Train", "valid", "test"][number % 4]
    for row in rows[:unused]:
        row["split"] = ""
    return rows


@pytest.mark.parametrize("name", FORMATS)
def test_a_column_can_divide_the_files(tmp_path: Path, name: str) -> None:
    rows = divided_rows()
    path = make_table(tmp_path / name, rows)
    data = Table(str(path), split_column="split", split="official", batch_size=8)
    parts = {"train": "train", "Train": "train", "valid": "val", "test": "test"}
    expected = {row["file"]: parts[row["split"]] for row in rows if row["split"]}
    found = {file: part for part, rows_ in data.split.parts().items() for file in data.files(rows_.tolist())}
    assert found == expected
    assert len(data.store.files) == 36
    assert data.split.method == "official"


def test_a_division_is_not_ignored_by_accident(tmp_path: Path) -> None:
    path = make_table(tmp_path / "t.csv", divided_rows())
    with pytest.raises(UserError, match=r"split: official to use it, or drop data.split_column"):
        Table(str(path), split_column="split").store  # noqa: B018
    with pytest.raises(UserError, match=r"official needs data.split_column, the column of .*t.csv"):
        Table(str(path), split="official").store  # noqa: B018
    assert Table(str(path)).split.method == "random"


def test_bad_divisions_are_named(tmp_path: Path) -> None:
    official: dict[str, Any] = {"split": "official", "split_column": "split"}
    rows = divided_rows()
    rows[5]["split"] = "holdout"
    refusal(tmp_path / "t.csv", rows, r"t.csv, line 7: split is 'holdout', expected train, val, test", **official)
    rows = [row for row in divided_rows() if row["split"] != "valid"]
    refusal(tmp_path / "t.csv", rows, r"t.csv has no val part", **official)
    rows = divided_rows()
    for row in rows:
        row["split"] = "train" if row["label"] == "water" else row["split"]
    make_table(tmp_path / "t.csv", rows)
    with pytest.raises(UserError, match=r"the val part of the split has no patch of class water"):
        Table(str(tmp_path / "t.csv"), **official).split  # noqa: B018


# --- the store follows table and images -------------------------------------------------------------------------------


def test_the_store_changes_with_table_and_images_and_with_nothing_else(tmp_path: Path) -> None:
    rows = single_label_rows(5)
    path = make_table(tmp_path / "t.csv", rows)
    first = Table(str(path)).store
    built = (first.path / "images.npy").stat().st_mtime_ns
    assert (Table(str(path)).store.path / "images.npy").stat().st_mtime_ns == built
    write_image(tmp_path / rows[0]["file"], pixels(1, 99))
    second = Table(str(path)).store
    assert np.array_equal(second.read(np.array([0]))[0], pixels(1, 99))
    rows[0]["label"], rows[-1]["label"] = rows[-1]["label"], rows[0]["label"]
    write_rows(path, rows)
    third = Table(str(path)).store
    assert len({first.fingerprint, second.fingerprint, third.fingerprint}) == 3
    assert labels_of(Table(str(path)))[rows[0]["file"]] == "water"


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_missing_files_are_counted_and_the_first_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = make_table(tmp_path / "t.csv", single_label_rows(5))
    for n in (1, 3):
        (tmp_path / f"images/water_{n}.png").unlink()
    with pytest.raises(UserError) as caught:
        Table(str(path)).store  # noqa: B018
    assert str(caught.value).endswith("images/water_1.png (line 13), images/water_3.png (line 15)")
    assert "2 of 15 files are missing in" in str(caught.value)
    data = Table(str(path), on_error="skip")
    assert len(data.store.files) == 13
    assert sorted(data.store.skipped) == ["images/water_1.png", "images/water_3.png"]
    with pytest.raises(UserError, match=r"15 of 15 .*, \.\.\.; data.root is the folder that the names start from"):
        Table(str(path), root=str(tmp_path / "images")).store  # noqa: B018


def outside(rows: Rows, tmp_path: Path) -> None:
    rows[3]["file"] = "../secret.png"


def absolute(rows: Rows, tmp_path: Path) -> None:
    rows[3]["file"] = str(tmp_path / "secret.png")


def linked(rows: Rows, tmp_path: Path) -> None:
    (tmp_path / "data/images/link.png").symlink_to(tmp_path / "secret.png")
    rows[3]["file"] = "images/link.png"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (outside, "line 5: refused, ../secret.png leads out of"),
        (absolute, "line 5: refused, /"),
        (linked, "link.png is"),
    ],
)
def test_no_file_outside_root_is_read(tmp_path: Path, change: Callable[[Rows, Path], None], message: str) -> None:
    rows = single_label_rows(5)
    path = make_table(tmp_path / "data/t.csv", rows)
    write_image(tmp_path / "secret.png", pixels(0, 0))
    change(rows, tmp_path)
    write_rows(path, rows)
    with pytest.raises(UserError, match=message):
        Table(str(path)).store  # noqa: B018


def test_a_file_in_two_rows_is_refused_however_it_is_written(tmp_path: Path) -> None:
    rows = single_label_rows(5)
    rows.append({"file": "images/../images/field_0.png", "label": "water"})
    refusal(tmp_path / "t.csv", rows, r"1 files are in several rows, such as images/field_0.png in line 2 and line 17$")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 0.5, 2], r"line 3: label is 0.5, a number with a fraction"),
        (["a", "", "b"], r"5 rows have no label in column 'label': line 3, line 6"),
        (["a", "a", "a"], r"has one class only, a; two are needed"),
    ],
)
def test_labels_that_make_no_classes_are_refused(tmp_path: Path, values: list[Any], message: str) -> None:
    refusal(tmp_path / "t.csv", labelled(values * 5), message)


def test_a_column_that_holds_no_labels_is_refused(tmp_path: Path) -> None:
    refusal(tmp_path / "t.csv", labelled([f"id{n}" for n in range(9)]), r"another value in each row")
    refusal(tmp_path / "t.parquet", labelled([b"x", b"y"] * 5), r"row 1: column 'label' holds bytes, expected text")
    refusal(tmp_path / "t.parquet", labelled([{"a": 1}] * 5), r"row 1: column 'label' holds dict, expected text")


def test_columns_must_be_there_and_once(tmp_path: Path) -> None:
    rows = single_label_rows(5)
    renamed = [{"filename": row["file"], "lable": row["label"]} for row in rows]
    make_table(tmp_path / "t.csv", rows)
    write_rows(tmp_path / "t.csv", renamed)
    with pytest.raises(UserError, match=r"no column 'file'. Did you mean 'filename'\? It has filename, lable$"):
        Table(str(tmp_path / "t.csv")).store  # noqa: B018
    with pytest.raises(UserError, match=r"no column 'label'. Did you mean 'lable'\?"):
        Table(str(tmp_path / "t.csv"), file_column="filename").store  # noqa: B018
    (tmp_path / "t.csv").write_text("file,label,label\na.png,x,y\n")
    with pytest.raises(UserError, match="2 columns called 'label'"):
        Table(str(tmp_path / "t.csv")).store  # noqa: B018


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"has no column 'file'. It has none"),
        (b"file,label\n", r"t.csv has no rows$"),
        (b"file,label\na.png\n", r"line 2: 1 cells, but the first line names 2 columns"),
        (b"file,label\na.png,x\n,y\n", r"line 3: no file name in column 'file'"),
        (b"PK\x03\x04\xff\xfe\x00binary", r"neither CSV in UTF-8 nor Parquet"),
        ("file,label\na.png,x\n".encode("utf-16"), r"neither CSV in UTF-8 nor Parquet"),
        (b"PAR1 and no more", r"is no readable Parquet file"),
        (b'file,label\n"a.png,x\n', r"is no CSV table"),
        (b"file,label\n" + b"a" * 200_000 + b",x\n", r"is no CSV table"),
        (b"file,label\na\0.png,x\nb.png,y\n", r"cannot look at|is no CSV table|missing"),
    ],
)
def test_what_is_no_table_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        Table(str(tmp_path / "t.csv")).store  # noqa: B018
    assert "\n" not in str(caught.value)


def test_a_table_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"t.csv: cannot be read \(No such file"):
        Table(str(tmp_path / "t.csv")).store  # noqa: B018
    with pytest.raises(UserError, match=r": cannot be read \(Is a directory"):
        Table(str(tmp_path)).store  # noqa: B018


def test_parquet_without_its_reader_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_table(tmp_path / "t.parquet", single_label_rows(5))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"pip install 'eurosat-cls\[parquet\]'"):
        Table(str(path)).store  # noqa: B018


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_columns": ["a"]}, "label_columns are for task multilabel"),
        ({"label_columns": [], "task": "multilabel"}, "must name a column"),
        ({"label_columns": ["a", "a"], "task": "multilabel"}, "none twice"),
        ({"label_columns": ["a"], "label_column": "b", "task": "multilabel"}, "instead of label_column"),
        ({"label_columns": ["a"], "class_names": ["b"], "task": "multilabel"}, "instead of label_column"),
        ({"positive": "a"}, "positive is for task binary"),
        ({"separator": ""}, "separator is empty"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Table("t.csv", **settings)


# --- what other programs write ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "sep=\t"])
def test_a_line_that_names_the_delimiter_is_none_of_the_table(tmp_path: Path, first: str) -> None:
    rows = single_label_rows(5)
    path = make_table(tmp_path / "t.csv", rows, ";" if ";" in first else "\t")
    path.write_text(f"{first}\n{path.read_text()}")
    assert labels_of(Table(str(path))) == {row["file"]: row["label"] for row in rows}
    path.write_text(path.read_text() + "one cell\n")
    with pytest.raises(UserError, match=f"line {len(rows) + 3}: 1 cells"):
        Table(str(path)).store  # noqa: B018


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["['a', 'b c']", "['a']", "[]"], [{"a", "b c"}, {"a"}, set()]),
        (['["a", "b c"]', '["a"]', "[ ]"], [{"a", "b c"}, {"a"}, set()]),
        (["['a' 'b c']", "['a'\n 'd']", ""], [{"a", "b c"}, {"a", "d"}, set()]),
        (["('a', 'b')", "{'b'}", "[1, 2]"], [{"a", "b"}, {"b"}, {"1", "2"}]),
        (["[red] roof", "[/b]", "(x)|[red] roof"], [{"[red] roof"}, {"[/b]"}, {"(x)", "[red] roof"}]),
    ],
)
def test_cells_that_are_lists_are_read(tmp_path: Path, cells: list[str], expected: list[set[str]]) -> None:
    data = Table(str(make_table(tmp_path / "t.csv", labelled(cells * 4))), task="multilabel")
    found = labels_of(data)
    assert [found[f"images/{n}.png"] for n in range(3)] == expected


def test_a_list_that_cannot_be_read_or_is_for_one_label_is_refused(tmp_path: Path) -> None:
    refusal(tmp_path / "t.csv", labelled(["['a', 'b]", "a"] * 5), r"line 2: .*looks like a list", task="multilabel")
    refusal(tmp_path / "t.csv", labelled(["[a, b]", "a"] * 5), r"line 2: .*looks like a list", task="multilabel")
    refusal(
        tmp_path / "t.csv", labelled(["['a']", "b"] * 5), r"line 2: column 'label' holds a list, expected one value"
    )


@pytest.mark.parametrize("value", ["nan", "NaN", "<NA>", "NaT", " "])
@pytest.mark.parametrize("task", ["multiclass", "binary"])
def test_rows_without_a_label_are_named_whatever_stands_for_none(tmp_path: Path, value: str, task: str) -> None:
    refusal(tmp_path / "t.csv", labelled(["a", "b", value] * 3), "3 rows have no label .*: line 4, line 7", task=task)


def test_what_stands_for_none_may_be_a_class_or_no_label_at_all(tmp_path: Path) -> None:
    refusal(tmp_path / "t.csv", labelled(["a|nan", "b"] * 3), "3 rows have no label .*: line 2", task="multilabel")
    path = make_table(tmp_path / "t.csv", labelled(["NaN", "None"] * 5))
    assert Table(str(path), class_names=["NaN", "None"]).store.class_names == ["NaN", "None"]


def test_absolute_names_elsewhere_name_the_setting(tmp_path: Path) -> None:
    path = make_table(tmp_path / "data/t.csv", rows := single_label_rows(5))
    rows = [{**row, "file": str(tmp_path / "data" / row["file"])} for row in rows]
    write_rows(tmp_path / "lists.csv", rows)
    assert len(Table(str(tmp_path / "lists.csv")).store.files) == 15
    path.parent.rename(tmp_path / "other")
    (tmp_path / "lists").mkdir()
    rows = [{**row, "file": row["file"].replace("/data/", "/other/")} for row in rows]
    write_rows(tmp_path / "lists/t.csv", rows)
    with pytest.raises(UserError, match=r"leads out of .*\(data.root\); set data.root, to .*/other/images or a folder"):
        Table(str(tmp_path / "lists/t.csv")).store  # noqa: B018
    assert len(Table(str(tmp_path / "lists/t.csv"), root=str(tmp_path / "other")).store.files) == 15
