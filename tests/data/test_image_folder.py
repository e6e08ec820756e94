"""Folders of one's own images: labels, layouts, divisions, and that every mistake names its culprit."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eurosat_cls.data import ImageFolder
from eurosat_cls.data.splits import RandomSplit
from eurosat_cls.utils.errors import UserError
from tests.data.generated import LAND, image_bytes, make_image_folder, pixels, write_image

PARTS = ("train", "val", "test")


def labels_of(data: ImageFolder) -> dict[str, str]:
    return {file: data.class_names[label] for file, label in zip(data.store.files, data.store.labels.tolist())}


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".tif", ".TIFF", ".webp", ".bmp"])
def test_every_kind_of_image_is_read_with_its_label(tmp_path: Path, suffix: str) -> None:
    data = ImageFolder(str(make_image_folder(tmp_path, per_class=5, suffix=suffix)))
    assert data.class_names == list(LAND)
    assert labels_of(data) == {f"{name}/{name}_{n}{suffix}": name for name in LAND for n in range(1, 6)}
    assert data.store.images.shape == (15, 3, 16, 16)
    assert data.store.images.dtype == "uint8"
    assert data.bands == ["B04", "B03", "B02"]
    tolerance = 40 if suffix.lower() in (".jpg", ".jpeg", ".webp") else 0  # noise is what lossy formats lose
    for file, patch in zip(data.store.files, np.asarray(data.store.images).astype(int)):
        name, number = file.split("/")[1].split(".")[0].split("_")
        assert abs(patch - pixels(LAND.index(name), int(number))).max() <= tolerance


def test_labels_do_not_depend_on_the_order_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(root: Path, order: int) -> ImageFolder:
        files = [(name, n) for name in LAND for n in range(1, 12)]
        for name, n in files[::order]:
            write_image(root / name / f"{name}_{n}.png", pixels(LAND.index(name), n))
        return ImageFolder(str(root))

    forwards, backwards = write(tmp_path / "a", 1), write(tmp_path / "b", -1)
    listed = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: listed(path)[::-1])
    assert forwards.store.files == backwards.store.files
    assert forwards.store.files[:3] == ["field/field_1.png", "field/field_2.png", "field/field_3.png"]
    assert np.array_equal(forwards.store.labels, backwards.store.labels)
    assert np.array_equal(forwards.store.images, backwards.store.images)
    assert forwards.split.sha256 == backwards.split.sha256


def test_classes_are_told_apart_by_case_and_may_be_put_in_order(tmp_path: Path) -> None:
    make_image_folder(tmp_path, ("River", "lake", "river"), 5)
    assert ImageFolder(str(tmp_path)).class_names == ["River", "lake", "river"]
    data = ImageFolder(str(tmp_path), class_names=["river", "River", "lake"])
    assert data.class_names == ["river", "River", "lake"]
    assert all(labels_of(data)[file] == file.split("/")[0] for file in data.store.files)
    with pytest.raises(UserError, match=r"has class folders that data.class_names lacks: lake$"):
        ImageFolder(str(tmp_path), class_names=["river", "River"]).store  # noqa: B018
    with pytest.raises(UserError, match=r"missing or without images: sea$"):
        ImageFolder(str(tmp_path), class_names=["river", "River", "lake", "sea"]).store  # noqa: B018
    with pytest.raises(UserError, match="names a class twice"):
        ImageFolder(str(tmp_path), class_names=["river", "River", "river"])


def test_nested_files_belong_to_the_class_and_clutter_to_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_image_folder(tmp_path, per_class=5)
    write_image(tmp_path / "water" / "north" / "deep" / "x.png", pixels(2, 1))
    for clutter in (
        "water/.hidden.png",
        "water/.thumbs/a.png",
        ".git/a.png",
        "__MACOSX/water/a.png",
        "water/Thumbs.db",
    ):
        (tmp_path / clutter).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / clutter).write_bytes(b"clutter")
    data = ImageFolder(str(tmp_path))
    assert data.class_names == list(LAND)
    assert len(data.store.files) == 16
    assert labels_of(data)["water/north/deep/x.png"] == "water"
    assert not caplog.records
    (tmp_path / "water" / "notes.txt").write_text("stray")
    assert ImageFolder(str(tmp_path)).store.files == data.store.files
    assert "1 files that are no images are left out (1 .txt)" in caplog.text


def test_any_number_of_bands_keeps_values_dtype_and_order(tmp_path: Path) -> None:
    make_image_folder(tmp_path, per_class=5, suffix=".tif", channels=5, dtype="uint16")
    data = ImageFolder(str(tmp_path))
    assert data.bands == [f"band_{i}" for i in range(1, 6)]
    assert data.store.images.dtype == "uint16"
    assert np.array_equal(data.store.read(np.array([0]))[0], pixels(0, 1, 5, dtype="uint16"))
    names = ["B02", "green", "B04", "elevation", "nir"]
    data = ImageFolder(str(tmp_path), bands=["nir", "elevation", "B03"], file_bands=names, batch_size=9)
    batch = next(iter(data.val_dataloader()))
    row = int(batch.indices[0])
    assert data.store.bands == ["B02", "B03", "B04", "elevation", "B08"]
    assert data.bands == ["B08", "elevation", "B03"]
    assert np.array_equal(batch.image[0].numpy(), data.store.read(np.array([row]))[0][[4, 3, 1]])
    assert ImageFolder(str(tmp_path), bands="rgb", file_bands=names).bands == ["B04", "B03", "B02"]
    assert ImageFolder(str(tmp_path), bands="all", file_bands=names).bands == data.store.bands


def test_bands_that_a_tiff_describes_are_called_so_and_brought_into_order(tmp_path: Path) -> None:
    for label, name in enumerate(LAND):
        for n in range(4):
            write_image(tmp_path / name / f"{n}.tif", pixels(label, n, 4, dtype="uint16"), ["B02", "B03", "B04", "B08"])
    assert ImageFolder(str(tmp_path)).bands == ["B02", "B03", "B04", "B08"]
    write_image(tmp_path / "water/2.tif", pixels(2, 2, 4, dtype="uint16"), ["B04", "B03", "B02", "B08"])
    store = ImageFolder(str(tmp_path)).store
    row = store.files.index("water/2.tif")
    assert np.array_equal(store.read(np.array([row]))[0], pixels(2, 2, 4, dtype="uint16")[[2, 1, 0, 3]])
    write_image(tmp_path / "water/2.tif", pixels(2, 2, 4, dtype="uint16"), ["B04", "B03", "B05", "B08"])
    with pytest.raises(
        UserError, match=r"1 of 12 files.*\n  water/2.tif: wrong band order, band 1 is described as B04"
    ):
        ImageFolder(str(tmp_path)).store  # noqa: B018
    with pytest.raises(UserError, match="described as B02, expected B08"):
        ImageFolder(str(tmp_path), file_bands=["B08", "B03", "B04", "B02"]).store  # noqa: B018


def test_grey_images_have_one_band(tmp_path: Path) -> None:
    make_image_folder(tmp_path, per_class=5, channels=1)
    data = ImageFolder(str(tmp_path))
    assert data.bands == ["band_1"]
    assert np.array_equal(data.store.read(np.array([0]))[0], pixels(0, 1, 1))


def test_the_store_is_reused_until_an_image_changes(tmp_path: Path) -> None:
    make_image_folder(tmp_path, per_class=5)
    path = ImageFolder(str(tmp_path)).store.path
    built = (path / "images.npy").stat().st_mtime_ns
    again = ImageFolder(str(tmp_path)).store
    assert again.path == path
    assert (path / "images.npy").stat().st_mtime_ns == built
    write_image(tmp_path / "water/water_1.png", pixels(2, 77))
    changed = ImageFolder(str(tmp_path)).store
    assert changed.fingerprint != again.fingerprint
    assert np.array_equal(changed.read(np.array([10]))[0], pixels(2, 77))
    write_image(tmp_path / "water/water_6.png", pixels(2, 6))
    assert len(ImageFolder(str(tmp_path)).store.files) == 16


# --- folders that are divided already -------------------------------------------------------------------------------


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_the_folders_own_division_is_the_official_split(tmp_path: Path, val: str) -> None:
    make_image_folder(tmp_path, per_class=4, parts=("train", val, "test"))
    data = ImageFolder(str(tmp_path), split="official", batch_size=4)
    assert data.class_names == list(LAND)
    for part, rows in data.split.parts().items():
        folder = val if part == "val" else part
        assert data.files(rows.tolist()) == [f"{folder}/{name}/{name}_{n}.png" for name in LAND for n in range(1, 5)]
    assert data.split.method == "official"


def test_a_divided_folder_is_not_divided_anew_by_accident(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_image_folder(tmp_path, per_class=5, parts=PARTS)
    with pytest.raises(UserError) as caught:
        ImageFolder(str(tmp_path)).store  # noqa: B018
    assert "set data.split: official to use it" in str(caught.value)
    assert f"data.root: {tmp_path / 'train'}" in str(caught.value)
    assert ImageFolder(str(tmp_path / "train")).class_counts == [3, 3, 3]
    assert not caplog.records
    assert ImageFolder(str(tmp_path), split=RandomSplit()).class_counts == [9, 9, 9]
    assert "is not used" in caplog.text


def test_official_needs_a_division(tmp_path: Path) -> None:
    make_image_folder(tmp_path / "whole", per_class=5)
    with pytest.raises(UserError, match=r"official needs folders train, val and test in .*whole"):
        ImageFolder(str(tmp_path / "whole"), split="official").store  # noqa: B018
    make_image_folder(tmp_path / "half", per_class=5, parts=("train", "test"))
    with pytest.raises(UserError, match=r"half has no val part"):
        ImageFolder(str(tmp_path / "half"), split="official").store  # noqa: B018


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_class_missing_in_one_part_is_named_and_shifts_no_label(tmp_path: Path, part: str, how: str) -> None:
    make_image_folder(tmp_path, per_class=4, parts=PARTS)
    shutil.rmtree(tmp_path / part / "forest")
    if how == "empty":
        (tmp_path / part / "forest").mkdir()
    with pytest.raises(UserError, match=rf"missing or without images: {part}/forest$"):
        ImageFolder(str(tmp_path), split="official").store  # noqa: B018


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    make_image_folder(tmp_path, ("bus", "train"), per_class=5)
    assert ImageFolder(str(tmp_path)).class_names == ["bus", "train"]


def flat_test(root: Path) -> None:
    make_image_folder(root, per_class=4, parts=("train", "val"))
    write_image(root / "test" / "1.png", pixels(0, 1))


def stranger(root: Path) -> None:
    make_image_folder(root, per_class=4, parts=(*PARTS, "extra"))


def both(root: Path) -> None:
    make_image_folder(root, per_class=4, parts=(*PARTS, "valid"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (flat_test, r"test holds no class folders$"),
        (stranger, r"beside them extra: move that elsewhere$"),
        (both, r"two mean the same part"),
    ],
)
@pytest.mark.parametrize("split", ["random", "official"])
def test_a_half_divided_folder_is_refused(
    tmp_path: Path, make: Callable[[Path], None], message: str, split: str
) -> None:
    make(tmp_path)
    with pytest.raises(UserError, match=message):
        ImageFolder(str(tmp_path), split=split).store  # noqa: B018


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_there_must_be_two_classes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent: cannot be read \(No such file"):
        ImageFolder(str(tmp_path / "absent")).store  # noqa: B018
    with pytest.raises(UserError, match="holds no class folders; it needs"):
        ImageFolder(str(tmp_path)).store  # noqa: B018
    make_image_folder(tmp_path, ("forest",))
    with pytest.raises(UserError, match="holds one class only, forest; it needs"):
        ImageFolder(str(tmp_path)).store  # noqa: B018
    (tmp_path / "water").mkdir()
    with pytest.raises(UserError, match=r"missing or without images: water$"):
        ImageFolder(str(tmp_path)).store  # noqa: B018


def test_the_task_must_fit(tmp_path: Path) -> None:
    make_image_folder(tmp_path, per_class=5)
    with pytest.raises(UserError, match="need a Table"):
        ImageFolder(str(tmp_path), task="multilabel")
    with pytest.raises(UserError, match=r"binary needs two classes, .* has 3: field, forest, water$"):
        ImageFolder(str(tmp_path), task="binary").store  # noqa: B018
    shutil.rmtree(tmp_path / "field")
    assert ImageFolder(str(tmp_path), task="binary").class_names == ["forest", "water"]


def test_files_that_differ_from_the_others_are_all_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_image_folder(tmp_path, per_class=6)
    (tmp_path / "water/water_2.png").write_bytes(image_bytes(pixels(0, 0, size=8)))
    (tmp_path / "water/water_3.png").write_bytes(image_bytes(pixels(0, 0, channels=1)))
    (tmp_path / "water/water_4.png").write_bytes(image_bytes(pixels(0, 0))[:200])
    (tmp_path / "water/water_5.png").write_bytes(b"")
    write_image(tmp_path / "field/field_7.tif", pixels(0, 7, 4))
    write_image(tmp_path / "field/field_8.tif", pixels(0, 8, dtype="uint16"))
    with pytest.raises(UserError) as caught:
        ImageFolder(str(tmp_path)).store  # noqa: B018
    lines = str(caught.value).splitlines()
    assert "6 of 20 files" in lines[0]
    culprits = [
        "field_7.tif: wrong band count, got 4",
        "field_8.tif: wrong dtype, got uint16",
        "water_2.png: wrong size, got 8x8",
        "water_3.png: wrong mode, got L",
        "water_4.png: ",
        "water_5.png: empty file",
    ]
    for line, culprit in zip(lines[1:], culprits, strict=True):
        assert culprit in line
    data = ImageFolder(str(tmp_path), on_error="skip")
    assert len(data.store.files) == 14
    assert len(data.store.skipped) == 6
    assert "field_7.tif" in caplog.text


def test_the_first_file_that_can_be_read_decides(tmp_path: Path) -> None:
    make_image_folder(tmp_path, per_class=5)
    (tmp_path / "field/field_1.png").write_bytes(b"")
    assert len(ImageFolder(str(tmp_path), on_error="skip").store.files) == 14
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"none of the 15 images can be read; field/field_1.png: not an image"):
        ImageFolder(str(tmp_path)).store  # noqa: B018


def test_band_settings_must_fit(tmp_path: Path) -> None:
    make_image_folder(tmp_path, per_class=5)
    with pytest.raises(UserError, match=r"file_bands names 2 bands, but field/field_1.png has 3"):
        ImageFolder(str(tmp_path), file_bands=["a", "b"]).store  # noqa: B018
    with pytest.raises(UserError, match=r"data.bands: 'B08' is not in this data set, which has B04, B03, B02"):
        ImageFolder(str(tmp_path), bands=["nir"]).channels  # noqa: B018
    with pytest.raises(UserError, match=r"data.bands: \['B8', 'nir'\] must name at least one band, and none twice"):
        ImageFolder(str(tmp_path), bands=["B8", "nir"])
    with pytest.raises(UserError, match="neither 'rgb' nor 'all'"):
        ImageFolder(str(tmp_path), bands="rbg")  # type: ignore[arg-type]


def test_twins_that_differ_in_their_extension_are_refused(tmp_path: Path) -> None:
    make_image_folder(tmp_path, per_class=5)
    write_image(tmp_path / "field/field_1.bmp", pixels(0, 1))
    with pytest.raises(UserError, match=r"field_1.*differ in their extension alone"):
        ImageFolder(str(tmp_path)).store  # noqa: B018


def test_links_may_point_inside_the_folder_but_not_out_of_it(tmp_path: Path) -> None:
    root = make_image_folder(tmp_path / "data", per_class=5)
    (root / "water/again.png").symlink_to(root / "water/water_1.png")
    (tmp_path / "link").symlink_to(root)
    assert len(ImageFolder(str(tmp_path / "link")).store.files) == 16
    write_image(tmp_path / "secret.png", pixels(0, 0))
    (root / "water/out.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(UserError, match=r"refused, .*out.png is a link that leaves"):
        ImageFolder(str(root)).store  # noqa: B018
    (root / "water/out.png").unlink()
    make_image_folder(tmp_path / "elsewhere", ("sea",), 5)
    (root / "sea").symlink_to(tmp_path / "elsewhere/sea")
    with pytest.raises(UserError, match=r"refused, .*sea is a link that leaves"):
        ImageFolder(str(root)).store  # noqa: B018
    (root / "sea").unlink()
    (root / "water/loop").symlink_to(root / "water")
    with pytest.raises(UserError, match=r"refused, .*loop is a link to a folder"):
        ImageFolder(str(root)).store  # noqa: B018


def test_what_is_no_regular_file_and_what_is_too_large_is_named(tmp_path: Path) -> None:
    make_image_folder(tmp_path, per_class=5)
    os.mkfifo(tmp_path / "water/pipe.png")
    with pytest.raises(UserError, match=r"pipe.png is not a regular file"):
        ImageFolder(str(tmp_path)).store  # noqa: B018
    (tmp_path / "water/pipe.png").unlink()
    with open(tmp_path / "water/large.png", "wb") as stream:
        stream.truncate(17 * 2**20)
    with pytest.raises(UserError, match=r"water/large.png: larger than"):
        ImageFolder(str(tmp_path)).store  # noqa: B018
    (tmp_path / "water/large.png").unlink()
    (tmp_path / "water/dangling.png").symlink_to(tmp_path / "water/absent.png")
    with pytest.raises(UserError, match=r"water/dangling.png: cannot be read"):
        ImageFolder(str(tmp_path)).store  # noqa: B018


def test_a_palette_stands_for_its_colours(tmp_path: Path) -> None:
    make_image_folder(tmp_path, per_class=5)
    colours = np.random.default_rng(0).choice([[10, 200, 30], [90, 40, 250]], (16, 16)).astype(np.uint8)
    Image.fromarray(colours).quantize(4).save(tmp_path / "water/palette.png")
    store = ImageFolder(str(tmp_path)).store
    row = store.files.index("water/palette.png")
    assert np.array_equal(store.read(np.array([row]))[0], colours.transpose(2, 0, 1))
