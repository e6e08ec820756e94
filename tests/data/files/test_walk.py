"""One way to find images: in folders, by patterns, one by one; and names in all of Unicode's forms and in none."""

import logging
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from eurosat_cls.data import ImageFiles, ImageFolder, Table
from eurosat_cls.data.files.walk import find_images
from eurosat_cls.data.splits.lists import read_split_lists
from eurosat_cls.models.tasks.class_weights import class_weight_tensor
from eurosat_cls.utils.errors import UserError
from tests.data.generated import make_image_folder, pixels, write_image

NFC, NFD = "Forêt", unicodedata.normalize("NFD", "Forêt")
assert NFC != NFD


def images(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        write_image(root / name, pixels(0, number))


def names(*given: str) -> list[list[str]]:
    return [list(source.files) for source in find_images(given)]


def test_clutter_and_hidden_folders_are_left_out_and_others_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images(tmp_path, "a.png", "deep/er/b.PNG", ".hidden.png", ".ipynb_checkpoints/a.png", "__MACOSX/c.png")
    (tmp_path / "._a.png").write_bytes(b"\0\5\26\7")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    with caplog.at_level(logging.WARNING):
        assert names(str(tmp_path)) == [["a.png", "deep/er/b.PNG"]]
    assert "1 files that are no images are left out (1 .txt)" in caplog.text


def test_links_that_lead_elsewhere_are_refused_wherever_images_come_from(tmp_path: Path) -> None:
    images(tmp_path, "out/c.png", "a/x/1.png", "a/y/1.png")
    (tmp_path / "a/x/more").symlink_to(tmp_path / "out")
    for find in (lambda: find_images([str(tmp_path / "a")]), lambda: ImageFolder(str(tmp_path / "a")).store):
        with pytest.raises(UserError, match=r"refused, .*more is a link to a folder"):
            find()
    (tmp_path / "a/x/more").unlink()
    (tmp_path / "a/x/c.png").symlink_to(tmp_path / "out/c.png")
    for find in (lambda: find_images([str(tmp_path / "a")]), lambda: ImageFolder(str(tmp_path / "a")).store):
        with pytest.raises(UserError, match=r"refused, .*c.png is a link that leaves"):
            find()
    assert names(str(tmp_path / "a/x/c.png")) == [[str(tmp_path / "a/x/c.png")]]  # it was named itself


def test_folders_files_and_patterns_may_be_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images(tmp_path, "a/1.png", "a/2.jpg", "b/1.png", "b/deep/3.png", "[x]/1.png", "c.png", "d.png")
    assert names("a", "d.png", "c.png", "b") == [
        ["a/1.png", "a/2.jpg"],
        ["b/1.png", "b/deep/3.png"],
        ["d.png", "c.png"],
    ]
    assert names("*/1.png") == [["[x]/1.png", "a/1.png", "b/1.png"]]
    assert names("[ab]") == [["a/1.png", "a/2.jpg", "b/1.png", "b/deep/3.png"]]
    assert names("[x]") == [["1.png"]]
    assert names("b/**/*.png") == [["b/1.png", "b/deep/3.png"]]
    data = ImageFiles(["a/1.png", "b"], ["x", "y"], ["B04", "B03", "B02"])
    assert data.store.files == ["a/1.png", "b/1.png", "b/deep/3.png"]
    assert [data.source_of(file) for file in data.store.files] == [1, 0, 0]
    assert np.array_equal(data.read(np.array([0]))[0], pixels(0, 0))
    assert len({source.identity for source in find_images(["a", "b", "[ab]", "c.png"])}) == 4
    assert find_images(["c.png", "d.png"])[0].identity != find_images(["c.png"])[0].identity


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere", "nowhere: there is no such folder or file"),
        ("*.gif", r"\*.gif: there is no such folder or file"),
        ("notes.txt", r"notes.txt: this is no image \(.jpg"),
        ("*.txt", r"\*.txt: no images fit the pattern"),
        ("empty", "empty: no images in it"),
    ],
)
def test_what_is_no_image_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=message):
        find_images([given])


# --- names ----------------------------------------------------------------------------------------------------------


def test_a_class_is_the_same_in_both_forms_of_unicode(tmp_path: Path) -> None:
    for part, form in (("train", NFD), ("val", NFC), ("test", NFC)):
        make_image_folder(tmp_path / part, (form, "water"), 2)
    data = ImageFolder(str(tmp_path), split="official", class_names=["water", NFD])
    assert data.class_names == ["water", NFC]
    assert data.class_counts == [2, 2]
    weights = class_weight_tensor({NFD: 2.0}, data.class_names, None)
    assert weights is not None
    assert weights.tolist() == [1.0, 2.0]


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    make_image_folder(tmp_path, (NFC, NFD, "water"), 2)
    with pytest.raises(UserError, match="have the same name"):
        ImageFolder(str(tmp_path)).store  # noqa: B018


def test_a_table_and_a_list_name_files_in_either_form(tmp_path: Path) -> None:
    rows = [(f"{NFD}_{n}.png", "b" if n % 2 else NFC) for n in range(10)]
    images(tmp_path, *(file for file, _ in rows))
    lines = [f"{unicodedata.normalize('NFC', file)},{unicodedata.normalize('NFD', label)}" for file, label in rows]
    (tmp_path / "t.csv").write_text("file,label\n" + "\n".join(lines), encoding="utf-8")
    data = Table(str(tmp_path / "t.csv"))
    assert data.class_names == [NFC, "b"]
    assert sorted(data.store.files) == sorted(file for file, _ in rows)
    for part, numbers in (("train", "0123"), ("val", "45"), ("test", "67")):
        (tmp_path / f"{part}.txt").write_text("\n".join(f"{NFC}_{n}" for n in numbers), encoding="utf-8")
    split = read_split_lists(str(tmp_path / "{}.txt"), data.store.files)
    assert [len(rows) for rows in split.parts().values()] == [4, 2, 2]


def test_a_random_split_does_not_depend_on_the_form(tmp_path: Path) -> None:
    for form in (NFC, NFD):
        images(tmp_path / form, *(f"{name}/{form}_{n}.png" for name in ("a", "b") for n in range(10)))
    first, second = (ImageFolder(str(tmp_path / form)).split for form in (NFC, NFD))
    assert first.sha256 == second.sha256


def test_names_that_are_not_in_utf_8_make_classes_and_files(tmp_path: Path) -> None:
    for name in (b"For\xeat", b"eau\x1b[2J"):
        folder = os.fsencode(tmp_path / "data") + b"/" + name
        os.makedirs(folder)
        for n in range(10):
            write_image(tmp_path / "x.png", pixels(n % 2, n))
            os.rename(tmp_path / "x.png", folder + b"/\xe9t\xe9 %d.png" % n)
    data = ImageFolder(str(tmp_path / "data"))
    assert data.class_names == ["For\\udceat", "eau\\x1b[2J"]
    assert data.class_counts == [6, 6]
    (tmp_path / "t.txt").write_bytes(b"\xe9t\xe9 1\n")
    assert data.store.files[0].endswith("/\udce9t\udce9 0.png")
