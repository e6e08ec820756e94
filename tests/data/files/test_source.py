"""Archives and folders: what is found, what is refused, and that every refusal names its file."""

import io
import os
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eurosat_cls.data.files.archive import ZipSource
from eurosat_cls.data.files.decode import decode_image, decode_rgb
from eurosat_cls.data.files.folder import FolderSource
from eurosat_cls.data.files.source import EUROSAT_MS, EUROSAT_RGB, find_eurosat
from eurosat_cls.data.files.tree import Source
from eurosat_cls.utils.errors import UserError
from tests.data.helpers import (
    CLASS_NAMES,
    TIF_PREFIX,
    jpeg,
    make_rgb_tree,
    make_rgb_zip,
    make_tiff_tree,
    make_tiff_zip,
    rgb_files,
    tiff_files,
)


@pytest.mark.parametrize("place", ["", "2750", "EuroSAT", "EuroSAT/2750", "eurosat", "eurosat/2750"])
def test_a_tree_is_found_wherever_the_archive_may_have_been_unpacked(tmp_path: Path, place: str) -> None:
    make_rgb_tree(tmp_path / place, 2)
    source = find_eurosat(tmp_path, CLASS_NAMES, EUROSAT_RGB)
    assert isinstance(source, FolderSource)
    assert sorted(source.files()) == sorted((file, CLASS_NAMES.index(file.split("/")[0])) for file, _ in rgb_files(2))


@pytest.mark.parametrize(
    "place", ["", "tif", TIF_PREFIX, f"EuroSATallBands/{TIF_PREFIX}", f"EuroSAT/{TIF_PREFIX}", "eurosat", "EuroSAT/tif"]
)
def test_a_tree_of_tiffs_is_found_likewise(tmp_path: Path, place: str) -> None:
    make_tiff_tree(tmp_path / place, 2)
    source = find_eurosat(tmp_path, CLASS_NAMES, EUROSAT_MS)
    assert isinstance(source, FolderSource)
    assert sorted(file for file, _ in source.files()) == sorted(file for file, _ in tiff_files(2))


@pytest.mark.parametrize("place", ["EuroSAT.zip", "eurosat/EuroSAT.zip", "EuroSAT/EuroSAT.zip"])
def test_an_archive_is_found_below_root_or_is_root_itself(tmp_path: Path, place: str) -> None:
    path = make_rgb_zip(tmp_path / place, 2)
    for root in (tmp_path, path):
        source = find_eurosat(root, CLASS_NAMES, EUROSAT_RGB)
        assert isinstance(source, ZipSource)
        assert source.path == path
        assert len(source.files()) == 20


@pytest.mark.parametrize("place", ["EuroSATallBands.zip", "EuroSATallBands-20.zip", "EuroSAT_MS/EuroSATallBands.zip"])
def test_an_archive_of_tiffs_is_found_likewise(tmp_path: Path, place: str) -> None:
    path = make_tiff_zip(tmp_path / place, 2)
    for root in (tmp_path, path):
        source = find_eurosat(root, CLASS_NAMES, EUROSAT_MS)
        assert isinstance(source, ZipSource)
        assert source.path == path
        assert len(source.files()) == 20


def test_of_several_archives_the_published_one_is_taken_and_else_none(tmp_path: Path) -> None:
    for name in ("EuroSATallBands-a.zip", "EuroSATallBands-b.zip"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match=r"2 archives, EuroSATallBands-a.zip, EuroSATallBands-b.zip: set data.root"):
        find_eurosat(tmp_path, CLASS_NAMES, EUROSAT_MS)
    (tmp_path / "EuroSATallBands.zip").write_bytes(b"")
    source = find_eurosat(tmp_path, CLASS_NAMES, EUROSAT_MS)
    assert source is not None
    assert source.path.name == "EuroSATallBands.zip"


def test_one_set_is_not_taken_for_the_other(tmp_path: Path) -> None:
    make_rgb_tree(tmp_path / "jpegs", 1)
    make_tiff_tree(tmp_path / "tiffs", 1)
    assert find_eurosat(tmp_path / "jpegs", CLASS_NAMES, EUROSAT_MS) is None
    assert find_eurosat(tmp_path / "tiffs", CLASS_NAMES, EUROSAT_RGB) is None
    make_tiff_tree(tmp_path / "jpegs", 1)  # the same class folders
    for published, suffix in ((EUROSAT_MS, ".tif"), (EUROSAT_RGB, ".jpg")):
        source = find_eurosat(tmp_path / "jpegs", CLASS_NAMES, published)
        assert source is not None
        assert {Path(file).suffix for file, _ in source.files()} == {suffix}


def test_nothing_is_found_in_an_empty_or_absent_folder(tmp_path: Path) -> None:
    for published in (EUROSAT_RGB, EUROSAT_MS):
        assert find_eurosat(tmp_path, CLASS_NAMES, published) is None
        assert find_eurosat(tmp_path / "absent", CLASS_NAMES, published) is None


@pytest.mark.parametrize("prefix", ["", "2750/", TIF_PREFIX])
def test_zip_and_folder_give_the_same_files_and_bytes(tmp_path: Path, prefix: str) -> None:
    archive = ZipSource(make_rgb_zip(tmp_path / "a.zip", 3, prefix, backwards=True), CLASS_NAMES)
    folder = FolderSource(make_rgb_tree(tmp_path / "tree", 3), CLASS_NAMES)
    assert sorted(archive.files()) == sorted(folder.files())
    for file, data in rgb_files(3):
        assert archive.read(file) == folder.read(file) == data


def test_other_suffixes_can_be_asked_for(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ms.zip", "w") as archive:
        for name in CLASS_NAMES:
            archive.writestr(f"{TIF_PREFIX}{name}/{name}_1.tif", b"x")
    assert len(ZipSource(tmp_path / "ms.zip", CLASS_NAMES, (".tif",)).files()) == 10
    with pytest.raises(UserError, match=r"no patches.*10 \.tif files"):
        ZipSource(tmp_path / "ms.zip", CLASS_NAMES).files()


def test_clutter_of_desktops_is_ignored_and_strays_are_counted(tmp_path: Path) -> None:
    tree = make_rgb_tree(tmp_path / "tree", 1)
    path = make_rgb_zip(tmp_path / "a.zip", 1)
    clutter = ["Forest/.DS_Store", "Forest/Thumbs.db", "Forest/._Forest_1.jpg"]
    with zipfile.ZipFile(path, "a") as archive:
        for name in [*(f"2750/{name}" for name in clutter), "__MACOSX/2750/Forest/._Forest_1.jpg"]:
            archive.writestr(name, b"clutter")
        archive.writestr("2750/Forest/notes.txt", b"stray")
        archive.writestr("README.md", b"stray")
    for name in clutter:
        (tree / name).write_bytes(b"clutter")
    (tree / "Forest/notes.txt").write_bytes(b"stray")
    for source in (ZipSource(path, CLASS_NAMES), FolderSource(tree, CLASS_NAMES)):
        assert len(source.files()) == 10
        assert source.ignored == 1 or (isinstance(source, ZipSource) and source.ignored == 2)


def test_a_missing_or_empty_class_folder_is_named(tmp_path: Path) -> None:
    tree = make_rgb_tree(tmp_path / "tree", 1)
    (tree / "River/River_1.jpg").unlink()
    with pytest.raises(UserError, match=r"missing or empty: River$"):
        FolderSource(tree, CLASS_NAMES).files()
    (tree / "River").rmdir()
    with pytest.raises(UserError, match=r"missing or empty: River$"):
        FolderSource(tree, CLASS_NAMES).files()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file, data in rgb_files(1):
            if not file.startswith(("Forest", "SeaLake")):
                archive.writestr(file, data)
    with pytest.raises(UserError, match=r"missing or empty: Forest, SeaLake$"):
        ZipSource(tmp_path / "a.zip", CLASS_NAMES).files()


def test_the_fingerprint_follows_the_source_and_nothing_else(tmp_path: Path) -> None:
    tree, path = make_rgb_tree(tmp_path / "tree", 2), make_rgb_zip(tmp_path / "a.zip", 2)
    of_tree, of_zip = FolderSource(tree, CLASS_NAMES), ZipSource(path, CLASS_NAMES)
    sources: list[tuple[Source, Path]] = [(of_tree, tree / "River/River_2.jpg"), (of_zip, path)]
    for source, changed in sources:
        before = source.fingerprint()
        assert source.fingerprint() == before
        status = changed.stat()
        os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        assert source.fingerprint() != before
        os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert source.fingerprint() == before
        changed.write_bytes(changed.read_bytes()[:-3])
        assert source.fingerprint() != before
    (tree / "River/River_3.jpg").write_bytes(jpeg(8, 3))
    with_more = FolderSource(tree, CLASS_NAMES).fingerprint()
    (tree / "River/.DS_Store").write_bytes(b"")
    assert FolderSource(tree, CLASS_NAMES).fingerprint() == with_more


# --- hostile archives -------------------------------------------------------------------------------------------


def link(path: Path) -> None:
    info = zipfile.ZipInfo("2750/Forest/Forest_9.jpg")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, "/etc/passwd")


def named(name: str) -> Callable[[Path], None]:
    def add(path: Path) -> None:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, b"x")

    return add


def bomb(size: int) -> Callable[[Path], None]:
    def add(path: Path) -> None:
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("2750/Forest/Forest_9.jpg", bytes(size))

    return add


def encrypted(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1  # the flags of the last entry in the directory
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (named("/etc/Forest/x.jpg"), "'/etc/Forest/x.jpg' points outside"),
        (named("C:/Forest/x.jpg"), "'C:/Forest/x.jpg' points outside"),
        (named("../../Forest/x.jpg"), "'../../Forest/x.jpg' points outside"),
        (named("2750\\..\\..\\x.jpg"), "points outside"),
        (link, "Forest_9.jpg' is a link"),
        (bomb(17 * 2**20), "Forest_9.jpg declares an absurd size"),
        (bomb(2 * 2**20), "Forest_9.jpg declares an absurd size"),
        (named("2750/Forest/Forest_1.jpg"), "names 2750/Forest/Forest_1.jpg twice"),
        (named("2750/Forest/Forest_1.jpeg"), "more than once, such as Forest/Forest_1"),
        (named("other/Forest/Forest_1.jpg"), "several class-folder trees in one archive: 2750, other"),
        (encrypted, "SeaLake_2.jpg is encrypted"),
        (cut, "not a whole zip archive"),
        (lambda path: path.write_bytes(b"hello"), "not a whole zip archive"),
        (lambda path: path.write_bytes(b""), "not a whole zip archive"),
        (lambda path: path.unlink(), "cannot be read .*No such file"),
    ],
)
def test_a_hostile_archive_is_refused_and_named(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    path = make_rgb_zip(tmp_path / "a.zip", 2)
    assert len(ZipSource(path, CLASS_NAMES).files()) == 20
    spoil(path)
    with pytest.raises(UserError, match=message.replace("\\", "\\\\")) as caught:
        ZipSource(path, CLASS_NAMES).files()
    assert str(path) in str(caught.value)
    assert str(caught.value).count("\n") < 2
    assert sorted(entry.name for entry in tmp_path.iterdir()) in ([], ["a.zip"])


def test_a_flipped_byte_fails_the_checksum_and_names_the_entry(tmp_path: Path) -> None:
    path = make_rgb_zip(tmp_path / "a.zip", 1)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("2750/River/River_1.jpg").header_offset
    data = bytearray(path.read_bytes())
    data[start + 30 + len("2750/River/River_1.jpg") + 60] ^= 16
    path.write_bytes(data)
    source = ZipSource(path, CLASS_NAMES)
    source.files()
    with pytest.raises(UserError, match=r"River/River_1.jpg: (fails its checksum|cannot be unpacked)"):
        source.read("River/River_1.jpg")
    assert source.read("Forest/Forest_1.jpg") == jpeg(1, 1)


def test_an_entry_that_unpacks_to_more_than_it_declares_costs_no_memory(tmp_path: Path) -> None:
    path = make_rgb_zip(tmp_path / "a.zip", 1)
    bomb(60 * 2**20)(path)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, entry + 24, 1000)  # the declared size
    path.write_bytes(data)
    source = ZipSource(path, CLASS_NAMES)
    source.files()
    tracemalloc.start()
    with pytest.raises(UserError, match=r"Forest_9.jpg: fails its checksum"):
        source.read("Forest/Forest_9.jpg")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_random_damage_to_an_archive_is_only_ever_a_user_error(tmp_path: Path) -> None:
    whole = make_rgb_zip(tmp_path / "a.zip", 1).read_bytes()
    dice = random.Random(0)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 8)):  # mostly in the directory at the end
            data[dice.randrange(len(data) - 1200, len(data)) if dice.random() < 0.8 else dice.randrange(len(data))] = (
                dice.randrange(256)
            )
        (tmp_path / "b.zip").write_bytes(data)
        source = ZipSource(tmp_path / "b.zip", CLASS_NAMES)
        try:
            for file, _ in source.files():
                decode_rgb(source.read(file), (64, 64))
        except UserError:
            pass
        finally:
            source.close()


# --- hostile folders --------------------------------------------------------------------------------------------


def test_links_may_point_inside_the_folder_but_not_out_of_it(tmp_path: Path) -> None:
    tree = make_rgb_tree(tmp_path / "tree", 1)
    (tree / "River/River_2.jpg").symlink_to(tree / "River/River_1.jpg")
    (tmp_path / "root").symlink_to(tree)
    source = FolderSource(tmp_path / "root", CLASS_NAMES)
    assert len(source.files()) == 11
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tree / "River/River_3.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(UserError, match=r"River_3.jpg is a link that leaves"):
        source.files()
    (tree / "River/River_3.jpg").unlink()
    (tree / "Forest").rename(tmp_path / "elsewhere")
    (tree / "Forest").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"Forest is a link that leaves"):
        source.files()


def test_what_is_no_regular_file_is_named_and_never_opened(tmp_path: Path) -> None:
    tree = make_rgb_tree(tmp_path / "tree", 1)
    os.mkfifo(tree / "River/River_2.jpg")
    with pytest.raises(UserError, match=r"River_2.jpg is not a regular file"):
        FolderSource(tree, CLASS_NAMES).files()
    (tree / "River/River_2.jpg").unlink()
    (tree / "River/River_2.jpg").symlink_to(tree / "River/absent.jpg")
    source = FolderSource(tree, CLASS_NAMES)
    assert source.fingerprint()
    with pytest.raises(UserError, match=r"River_2.jpg is not a regular file"):
        source.files()


def test_a_vanished_or_huge_file_is_named(tmp_path: Path) -> None:
    source = FolderSource(make_rgb_tree(tmp_path, 1), CLASS_NAMES)
    (tmp_path / "River/River_1.jpg").unlink()
    with pytest.raises(UserError, match=r"River/River_1.jpg: cannot be read.*No such file"):
        source.read("River/River_1.jpg")
    with open(tmp_path / "Forest/Forest_1.jpg", "wb") as stream:
        stream.truncate(17 * 2**20)
    with pytest.raises(UserError, match=r"Forest/Forest_1.jpg: larger than"):
        source.read("Forest/Forest_1.jpg")


# --- decoding ---------------------------------------------------------------------------------------------------


def test_decoding_keeps_channel_order_and_checks_nothing_without_a_size() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (5, 4), (200, 100, 50)).save(stream, "PNG")
    pixels = decode_rgb(stream.getvalue())
    assert pixels.shape == (3, 4, 5)
    assert pixels.dtype == "uint8"
    assert pixels.flags.c_contiguous
    assert pixels[:, 2, 2].tolist() == [200, 100, 50]


def palette_png(**options: int) -> bytes:
    stream = io.BytesIO()
    Image.new("P", (64, 64)).save(stream, "PNG", **options)
    return stream.getvalue()


def huge_png() -> bytes:
    data = bytearray(palette_png())
    struct.pack_into(">II", data, 16, 60_000, 60_000)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file"),
        (b"hello, world" * 20, "not an image"),
        (jpeg(0, 1)[:-2], "truncated image"),
        (jpeg(0, 1)[:700], "truncated image"),
        (jpeg(0, 1)[:100], "image"),
        (jpeg(0, 1, size=32), "wrong size, got 32x32, expected 64x64"),
        (jpeg(0, 1, mode="L"), "wrong mode, got L, expected RGB"),
        (jpeg(0, 1, mode="CMYK"), "wrong mode, got CMYK"),
        (palette_png(transparency=0), "wrong mode, got P, expected RGB"),
        (huge_png(), "image|dimensions|size"),
    ],
)
def test_what_is_no_patch_is_told_in_a_few_words(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        decode_rgb(data, (64, 64))
    assert "\n" not in str(caught.value)


def grey_png(dtype: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.arange(20, dtype=dtype).reshape(4, 5)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_grey_images_are_patches_of_one_band(dtype: str) -> None:
    for shape in (None, (1, 4, 5)):
        pixels, place = decode_image(grey_png(dtype), shape, dtype)
        assert pixels.dtype == dtype
        assert pixels.tolist() == [np.arange(20).reshape(4, 5).tolist()]
        assert place is None


@pytest.mark.parametrize(
    ("data", "shape", "dtype", "message"),
    [
        (jpeg(0, 1), (13, 64, 64), "uint8", "wrong band count, got 3, expected 13"),
        (jpeg(0, 1), (3, 64, 64), "uint16", "wrong dtype, got uint8, expected uint16"),
        (jpeg(0, 1), (3, 32, 64), "uint8", "wrong size, got 64x64, expected 64x32"),
        (jpeg(0, 1), (1, 64, 64), "uint8", "wrong mode, got RGB, expected L or I;16"),
        (grey_png("uint8"), (3, 4, 5), "uint8", "wrong mode, got L, expected RGB"),
        (grey_png("uint16"), (1, 4, 5), "uint8", "wrong dtype, got uint16, expected uint8"),
        (palette_png(transparency=0), None, None, "wrong mode, got P"),
        (b"", None, None, "empty file"),
    ],
)
def test_other_images_than_tiffs_are_checked_as_well(
    data: bytes, shape: tuple[int, int, int] | None, dtype: str | None, message: str
) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        decode_image(data, shape, dtype)
