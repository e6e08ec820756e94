"""EuroSAT: which of its two sets serves which bands, and what is wrong with one."""

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from eurosat_cls.data import EuroSAT
from eurosat_cls.data.patch import BoundingBox
from eurosat_cls.data.sentinel2 import BANDS
from eurosat_cls.data.splits import OfficialSplit, RandomSplit, SplitLists
from eurosat_cls.utils.errors import UserError
from tests.conftest import REPOSITORY
from tests.data.helpers import (
    CLASS_NAMES,
    RGB,
    description_tag,
    geo_tags,
    make_rgb_tree,
    make_rgb_zip,
    make_tiff_tree,
    make_tiff_zip,
    tiff,
    tiff_pixels,
)

NUMBERS = tiff_pixels(0, 1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both archives, five patches of each class."""
    root = tmp_path_factory.mktemp("both")
    make_rgb_zip(root / "EuroSAT.zip", 5)
    make_tiff_zip(root / "EuroSATallBands-50.zip", 5)
    return root


@pytest.mark.parametrize(
    ("bands", "variant", "names", "dtype", "kind"),
    [
        ("rgb", "auto", RGB, "uint8", "eurosat-rgb"),
        (["B02", "red"], "auto", ["B02", "B04"], "uint8", "eurosat-rgb"),
        ("rgb", "tiff", RGB, "uint16", "eurosat-ms"),
        (["B02"], "tiff", ["B02"], "uint16", "eurosat-ms"),
        ("all", "auto", list(BANDS), "uint16", "eurosat-ms"),
        (["B8A", "nir", "B02"], "auto", ["B8A", "B08", "B02"], "uint16", "eurosat-ms"),
    ],
)
def test_the_bands_decide_which_set_is_read(
    root: Path,
    bands: Any,
    variant: Literal["auto", "jpeg", "tiff"],
    names: list[str],
    dtype: str,
    kind: str,
) -> None:
    data = EuroSAT(str(root), bands, variant)
    assert data.bands == names
    assert data.store.images.dtype == dtype
    assert data.store.path.name.startswith(kind)
    assert data.class_names == CLASS_NAMES
    first = data.store.files.index("AnnualCrop/AnnualCrop_1" + (".tif" if dtype == "uint16" else ".jpg"))
    assert data.store.labels[first] == 0
    batch = next(iter(data.test_dataloader()))
    assert batch.image.shape == (10, len(names), 64, 64)
    if dtype == "uint16":
        rows = [BANDS.index(name) for name in names]
        assert np.array_equal(data.store.read(np.array([first]))[0], NUMBERS)
        assert np.array_equal(batch.image.numpy(), data.store.read(batch.indices.numpy())[:, rows])


def test_patches_keep_their_places(root: Path) -> None:
    store = EuroSAT(str(root), "all").store
    row = store.files.index("Forest/Forest_2.tif")
    assert store.places[row] == BoundingBox(32632, 301_280, 4_998_720, 301_920, 4_999_360)
    assert EuroSAT(str(root)).store.places == [None] * 50


def test_both_sets_divide_in_the_same_way(root: Path) -> None:
    assert EuroSAT(str(root)).split.sha256 == EuroSAT(str(root), "all").split.sha256


def test_archive_and_tree_give_the_same_store(root: Path, tmp_path: Path) -> None:
    make_tiff_tree(tmp_path / "EuroSATallBands/tif", 5)
    unpacked, packed = EuroSAT(str(tmp_path), "all").store, EuroSAT(str(root), "all").store
    assert unpacked.path != packed.path
    assert unpacked.files == packed.files
    assert unpacked.places == packed.places
    assert np.array_equal(unpacked.images, packed.images)


def test_a_root_is_found_by_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUROSAT_ROOT", str(root))
    assert EuroSAT(bands="all").store.source == str(root / "EuroSATallBands-50.zip")


def test_words_for_splits_are_known() -> None:
    data = EuroSAT()
    official, spatial = data.named_split("official"), data.named_split("official-spatial")
    assert isinstance(official, OfficialSplit)
    assert not official.spatial
    assert isinstance(spatial, OfficialSplit)
    assert spatial.spatial
    assert isinstance(data.named_split("random"), RandomSplit)
    assert isinstance(data.named_split("lists/{}.txt"), SplitLists)


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        (["B04", "B08"], "B08 is not in the RGB set, which has B04, B03, B02; set data.variant: tiff"),
        ("all", "B01 is not in the RGB set"),
        (["B99"], "unknown band 'B99'"),
    ],
)
def test_bands_that_the_jpegs_lack_are_named(bands: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"data.bands: {message}"):
        EuroSAT(bands=bands, variant="jpeg")


def test_a_root_of_the_other_set_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"EuroSAT.zip: no patches in class folders .* they hold 20 \.jpg files"):
        EuroSAT(str(make_rgb_zip(tmp_path / "EuroSAT.zip", 2)), "all").store  # noqa: B018


SPOILT = {
    "band count": (tiff(NUMBERS[:12]), "wrong band count, got 12, expected 13"),
    "dtype": (tiff(NUMBERS.astype("float32")), "wrong dtype, got float32, expected uint16"),
    "size": (tiff(NUMBERS[:, :32]), "wrong size, got 64x32, expected 64x64"),
    "nodata": (tiff(NUMBERS, [(42113, "s", 0, str(NUMBERS[5, 3, 3]), True)]), r"[0-9]+ values are nodata"),
    "order": (
        tiff(NUMBERS, [description_tag([*BANDS[:8], "B8A", "haze", *BANDS[9:12]]), *geo_tags()]),
        "wrong band order, band 9 is described as B8A, expected B09",
    ),
    "truncated": (tiff(NUMBERS)[:9000], "truncated TIFF, 9,000 of"),
    "empty": (b"", "empty file"),
    "no image": (b"hello, world", "not an image"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_file_that_is_wrong_is_named_with_its_fault(tmp_path: Path, name: str) -> None:
    data, message = SPOILT[name]
    make_tiff_tree(tmp_path, 3)
    (tmp_path / "River/River_2.tif").write_bytes(data)
    with pytest.raises(UserError) as caught:
        EuroSAT(str(tmp_path), "all").store  # noqa: B018
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "1 of 30 files" in lines[0]
    assert re.match(f"  River/River_2.tif: {message}", lines[1])


def test_wrong_files_can_be_left_out(tmp_path: Path) -> None:
    make_tiff_tree(tmp_path, 3)
    (tmp_path / "River/River_2.tif").write_bytes(b"")
    store = EuroSAT(str(tmp_path), "all", on_error="skip").store
    assert len(store.files) == len(store.places) == 29
    assert store.skipped == {"River/River_2.tif": "empty file"}
    row = store.files.index("River/River_3.tif")
    assert store.places[row] == BoundingBox(32632, 301_920, 4_994_240, 302_560, 4_994_880)
    assert np.array_equal(store.images[row], tiff_pixels(8, 3))


def test_jpegs_beside_tiffs_are_not_mixed_up(tmp_path: Path) -> None:
    make_rgb_tree(tmp_path, 2)
    make_tiff_tree(tmp_path, 3)
    assert len(EuroSAT(str(tmp_path)).store.files) == 20
    assert len(EuroSAT(str(tmp_path), "all").store.files) == 30


@pytest.mark.slow
@pytest.mark.real
def test_the_real_patches_of_all_bands() -> None:
    root = REPOSITORY.parent / "shared/data"
    if not (root / "EuroSATallBands-369.zip").exists():
        pytest.skip("the real patches are not here")
    data = EuroSAT(str(root), "all")
    assert data.store.images.shape == (369, 13, 64, 64)
    assert data.store.images.dtype == "uint16"
    assert all(place is not None and 32601 <= place.epsg <= 32660 for place in data.store.places)
    assert min(data.store.labels.tolist().count(label) for label in range(10)) >= 30
    assert int(np.argmin(data.mean)) == BANDS.index("B10")
