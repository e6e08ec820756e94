"""Splits from lists, which are never silently wrong."""

from pathlib import Path

import pytest

from eurosat_cls.data.splits import SplitLists, check_classes, read_split_lists
from eurosat_cls.utils.errors import UserError
from tests.data.helpers import CLASS_NAMES
from tests.data.splits.helpers import eurosat_names, make_store

COOP = Path(__file__).parents[3].parent / "shared/data/splits"
FILES, LABELS = eurosat_names(counts=[3] * 10)


def write_lists(folder: Path, name: str = "my-", **changes: str) -> str:
    """Write three lists of ten names, one of each class; return their pattern."""
    folder.mkdir(exist_ok=True)
    for number, part in enumerate(("train", "val", "test"), 1):
        text = "\n".join(f"{c}_{number}.jpg" for c in CLASS_NAMES) + "\n"
        (folder / f"{name}{part}.txt").write_text(changes.get(part, text))
    return str(folder / f"{name}{{}}.txt")


def test_lists_are_read_by_pattern_and_by_folder(tmp_path: Path) -> None:
    pattern = write_lists(tmp_path)
    for where in (pattern, tmp_path):
        split = SplitLists(where).divide(make_store(FILES, LABELS))
        assert split.method == "lists"
        assert split.val.tolist() == list(range(1, 30, 3))
        check_classes(split, LABELS, CLASS_NAMES)


@pytest.mark.parametrize(
    "line", ["River_1", "River_1.tif", "River/River_1.jpg", "2750/River/River_1.jpg", "River\\River_1"]
)
def test_folder_and_extension_in_a_line_do_not_matter(tmp_path: Path, line: str) -> None:
    split = read_split_lists(write_lists(tmp_path, train=f"\ufeff{line}\r\n\r\n"), FILES)
    assert [FILES[row] for row in split.train] == ["River/River_1.jpg"]


def test_equal_stems_in_two_classes_need_the_class_folder(tmp_path: Path) -> None:
    files = ["a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg"]
    changes = {"train": "a/1.jpg", "val": "2", "test": "3"}
    assert read_split_lists(write_lists(tmp_path, **changes), files).train.tolist() == [0]
    with pytest.raises(UserError, match=r"my-train.txt: 1 doubtful names \(add the class folder\): 1"):
        read_split_lists(write_lists(tmp_path, **{**changes, "train": "1.jpg"}), files)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"val": "River_2.jpg\nRiver_99.jpg\nX_1.jpg"},
            r"my-val.txt: 2 names that the data lacks: River_99, X_1$",
        ),
        ({"val": "\n".join(f"X_{n}" for n in range(9))}, r"my-val.txt: 9 names .*X_4, \.\.\.$"),
        ({"val": "River_2.jpg\nRiver/River_2.tif"}, "my-val.txt: 1 files named more than once: River/River_2.jpg"),
        ({"val": "River_1.jpg"}, "my-val.txt and .*my-train.txt overlap in 1 files: River/River_1.jpg"),
        ({"test": "River_1.jpg"}, "my-test.txt and .*my-train.txt overlap"),
        ({"test": " \n\n"}, "my-test.txt is empty"),
        ({"test": "River/Forest_3.jpg"}, "my-test.txt: 1 names that the data lacks: River/Forest_3"),
    ],
)
def test_a_wrong_list_is_told_with_its_name(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_split_lists(write_lists(tmp_path, **changes), FILES)


def test_a_missing_or_binary_list_is_told(tmp_path: Path) -> None:
    pattern = write_lists(tmp_path)
    (tmp_path / "my-val.txt").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(UserError, match=r"my-val.txt: cannot be read \(not a text file"):
        read_split_lists(pattern, FILES)
    (tmp_path / "my-val.txt").unlink()
    with pytest.raises(UserError, match=r"my-val.txt: cannot be read \(No such file"):
        read_split_lists(pattern, FILES)
    with pytest.raises(UserError, match=r"has no set of"):
        read_split_lists(tmp_path, FILES)
    with pytest.raises(UserError, match=r"neither a folder nor a pattern"):
        read_split_lists("offical", FILES)


def test_several_sets_in_a_folder_are_never_mixed_but_asked_about(tmp_path: Path) -> None:
    write_lists(tmp_path)
    pattern = write_lists(tmp_path, "eurosat-spatial-")
    with pytest.raises(UserError) as caught:
        read_split_lists(tmp_path, FILES)
    assert pattern in str(caught.value)
    assert str(tmp_path / "my-{}.txt") in str(caught.value)
    (tmp_path / "my-val.txt").unlink()  # an incomplete set is no candidate, and lends no list to the other
    assert len(read_split_lists(tmp_path, FILES).train) == 10


def test_names_that_were_skipped_when_the_store_was_built_are_no_error(tmp_path: Path) -> None:
    present = [file for file in FILES if file != "River/River_2.jpg"]
    with pytest.raises(UserError, match=r"lacks: River_2"):
        read_split_lists(write_lists(tmp_path), present)
    assert len(read_split_lists(write_lists(tmp_path), present, skipped={"River/River_2.jpg": "empty file"}).val) == 9


@pytest.mark.slow
@pytest.mark.skipif(not COOP.exists(), reason="the published lists are not here")
def test_the_published_lists_fit_the_published_names() -> None:
    split = read_split_lists(COOP / "coop-{}.txt", eurosat_names()[0])
    assert [len(rows) for rows in split.parts().values()] == [13_500, 5_400, 8_100]
    split = read_split_lists(COOP / "eurosat100-{}.txt", eurosat_names()[0])
    assert [len(rows) for rows in split.parts().values()] == [60, 20, 20]
    with pytest.raises(UserError, match=r"several sets of lists"):
        read_split_lists(COOP, eurosat_names()[0])
