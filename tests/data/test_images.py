"""Folders of images to predict on: which channels a model gets, and how many stores of them are kept."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eurosat_cls.data import ImageFiles
from eurosat_cls.data.images import arguments_for
from eurosat_cls.data.sentinel2 import BANDS
from eurosat_cls.utils.errors import UserError
from tests.data.helpers import RGB, description_tag, make_tiff_tree, tiff, tiff_pixels

NUMBERS = tiff_pixels(2, 1)
FOUR = ["B02", "B03", "B04", "B08"]


def images(path: Path, bands: list[str], on_error: str = "raise") -> ImageFiles:
    return ImageFiles(str(path), ["a", "b"], bands, on_error=on_error)  # type: ignore[arg-type]


def served(data: ImageFiles) -> np.ndarray:
    """All images as the model gets them."""
    return np.concatenate([batch.image.numpy() for batch in data.predict_dataloader()])


def colours(path: Path, mode: str = "RGB") -> np.ndarray:
    pixels = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    image.save(path)
    return np.asarray(image)


@pytest.mark.parametrize("bands", [FOUR, ["B8A"], list(BANDS), ["B12", "B8A", "B01"]])
def test_the_bands_of_a_model_are_picked_from_all_thirteen(tmp_path: Path, bands: list[str]) -> None:
    make_tiff_tree(tmp_path, 1)
    data = images(tmp_path, bands)
    assert data.bands == bands
    assert data.patch_shape == (len(bands), 64, 64)
    got = served(data)
    assert got.dtype == "uint16"
    rows = [BANDS.index(band) for band in bands]
    row = data.store.files.index("River/River_1.tif")
    assert np.array_equal(got[row], tiff_pixels(8, 1)[rows])


def test_as_many_channels_as_the_model_has_bands_are_these(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(NUMBERS[:4].astype("float32")))
    got = served(images(tmp_path, ["B08", "B04", "B03", "B02"]))
    assert got.dtype == "float32"
    assert np.array_equal(got[0], NUMBERS[:4])
    (tmp_path / "a.tif").write_bytes(tiff(NUMBERS[:2]))
    assert np.array_equal(served(images(tmp_path, ["band_1", "band_2"]))[0], NUMBERS[:2])


def test_a_model_of_red_green_and_blue_gets_them_from_any_format(tmp_path: Path) -> None:
    pixels = colours(tmp_path / "a.png").transpose(2, 0, 1)
    (tmp_path / "b.tif").write_bytes(tiff(pixels, photometric="rgb"))
    assert np.array_equal(served(images(tmp_path, RGB)), [pixels, pixels])
    assert np.array_equal(served(images(tmp_path, ["B02", "B04"])), [pixels[[2, 0]]] * 2)
    (tmp_path / "a.png").unlink()
    (tmp_path / "b.tif").write_bytes(tiff(NUMBERS))
    assert np.array_equal(served(images(tmp_path, RGB))[0], NUMBERS[[3, 2, 1]])


def test_a_model_of_one_band_gets_grey_images(tmp_path: Path) -> None:
    pixels = colours(tmp_path / "a.png", "L")
    assert np.array_equal(served(images(tmp_path, ["band_1"]))[0, 0], pixels)


def test_bands_without_names_are_taken_in_an_order_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = sorted(BANDS, key=lambda name: name.replace("B8A", "B085"))
    (tmp_path / "a.tif").write_bytes(tiff(NUMBERS))
    assert np.array_equal(served(images(tmp_path, order))[0], NUMBERS)
    assert f"bands, which are taken to be {', '.join(order)}" in capsys.readouterr().err
    assert np.array_equal(served(images(tmp_path, FOUR))[0], NUMBERS[[1, 2, 3, 7]])
    assert capsys.readouterr().err.count("taken to be B01, B02") == 1


@pytest.mark.parametrize("bands", [FOUR, list(BANDS), ["B8A"]])
def test_described_bands_are_picked_by_name_whatever_their_order(
    tmp_path: Path, bands: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    order = sorted(BANDS)
    (tmp_path / "a.tif").write_bytes(tiff(NUMBERS, [description_tag(order)]))
    (tmp_path / "b.tif").write_bytes(tiff(NUMBERS[::-1], [description_tag(order[::-1])]))
    wanted = NUMBERS[[order.index(band) for band in bands]]
    assert np.array_equal(served(images(tmp_path, bands)), [wanted, wanted])
    assert "taken to be" not in capsys.readouterr().err


def test_bands_are_picked_from_files_with_others(tmp_path: Path) -> None:
    tags = [description_tag(["height", "B8, near infrared", "B04", "red_edge1"])]
    (tmp_path / "a.tif").write_bytes(tiff(NUMBERS[:4], tags))
    assert np.array_equal(served(images(tmp_path, ["B04", "B08"]))[0], NUMBERS[[2, 1]])
    with pytest.raises(UserError, match=r"the model takes 2 \(B04, B11\), the file describes B08, B04, B05"):
        images(tmp_path, ["B04", "B11"]).store  # noqa: B018


def test_other_band_counts_are_named(tmp_path: Path) -> None:
    colours(tmp_path / "a.png")
    (tmp_path / "b.tif").write_bytes(tiff(NUMBERS[:5]))
    message = r"--images .*a.png: wrong band count, got 3, but the model takes 4 \(B02, B03, B04, B08\)"
    with pytest.raises(UserError, match=message):
        images(tmp_path, FOUR).store  # noqa: B018


def test_images_that_differ_from_the_first_are_named_or_left_out(tmp_path: Path) -> None:
    (tmp_path / "0.tif").write_bytes(b"broken")
    (tmp_path / "1.tif").write_bytes(tiff(NUMBERS))
    (tmp_path / "2.tif").write_bytes(tiff(NUMBERS.astype("float32")))
    (tmp_path / "3.tif").write_bytes(tiff(NUMBERS[:4]))
    colours(tmp_path / "4.png")
    with pytest.raises(UserError) as caught:
        images(tmp_path, FOUR).store  # noqa: B018
    assert [line.split(": ")[:2] for line in str(caught.value).splitlines()[1:]] == [
        ["  0.tif", "not an image (JPEG, PNG, TIFF, WebP or BMP)"],
        ["  2.tif", "wrong dtype, got float32, expected uint16"],
        ["  3.tif", "wrong band count, got 4, expected 13"],
        ["  4.png", "wrong band count, got 3, expected 13"],
    ]
    assert images(tmp_path, FOUR, "skip").store.files == ["1.tif"]


def test_what_a_checkpoint_says_of_the_model_is_handed_on() -> None:
    saved = {"class_names": ["a"], "bands": ["B08"], "mean": [1.0], "std": [2.0], "lr": 1, "task": "binary"}
    expected = {"class_names": ["a"], "bands": ["B08"], "mean": [1.0], "std": [2.0], "task": "binary", "path": "x"}
    assert arguments_for("x", {"hyper_parameters": saved}, "last.ckpt") == expected
    assert arguments_for("x", {"hyper_parameters": {"bands": ["B08"]}}, "last.ckpt")["class_names"] == []
    with pytest.raises(UserError, match=r"last.ckpt does not say its bands"):
        arguments_for("x", {"hyper_parameters": {"class_names": ["a"]}}, "last.ckpt")


def test_the_newest_stores_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("EUROSAT_CACHE", str(cache))
    (cache / "images-of-mine").mkdir(parents=True)
    folders = [tmp_path / str(number) for number in range(6)]
    for folder in folders:
        folder.mkdir()
        colours(folder / "a.png")
    first = images(folders[0], RGB).store
    built = [first.path.name]
    for hour, folder in enumerate(folders[1:4]):
        built.append(images(folder, RGB).store.path.name)
        os.utime(cache / built[-1], (hour + 1, hour + 1))
    os.utime(first.path, (0, 0))
    assert images(folders[0], RGB).store.path == first.path  # used again: the newest
    gone = images(folders[1], RGB).store  # opened, then the oldest
    os.utime(gone.path, (0, 0))
    built += [images(folder, RGB).store.path.name for folder in folders[4:]]
    left = {path.name for path in cache.iterdir() if path.is_dir()}
    assert left == {"images-of-mine", built[0], built[3], built[4], built[5]}
    assert gone.read(np.array([0])).shape == (1, 3, 64, 64)  # who has it open keeps it
