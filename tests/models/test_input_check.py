"""Foreign patches on every way into a model."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from eurosat_cls import Classifier
from eurosat_cls.data import Batch
from eurosat_cls.data.eurosat import JPEG_UNIT
from eurosat_cls.data.identity import InputStatistics
from eurosat_cls.data.unit import Unit
from eurosat_cls.encoders import ResNet
from eurosat_cls.utils.errors import UserError
from tests.data.files.test_depth import deep_png
from tests.data.helpers import description_tag, tiff

Run = Callable[..., tuple[int, str]]
RNG = np.random.default_rng(0)
NUMBERS = RNG.integers(300, 2500, (5, 3, 32, 32), dtype=np.uint16)


def model(unit: Unit = JPEG_UNIT, bands: Any = ("B04", "B03", "B02"), **settings: Any) -> Classifier:
    count, scale = len(bands), 1 if unit.dtype == "uint8" else 10
    between = [[scale * value for value in (20.0, 30, 90, 200, 230)]] * count
    numbers = [0.0] * count, [255.0 * scale] * count, [20.0 * scale] * count
    kept = InputStatistics(unit.dtype, (32, 32), "1", *numbers, between).plain()
    given = {"mean": [90.0 * scale] * count, "std": [40.0 * scale] * count, "input_statistics": kept}
    encoder = partial(ResNet, widths=(8,), blocks=(1,))
    return Classifier(encoder, ["a", "b"], list(bands), unit=unit.plain(), **{**given, **settings}).eval()


def test_digital_numbers_get_the_answers_of_the_jpegs_made_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    network = model()
    eight = np.rint((NUMBERS * np.float32(255 / 2750)).clip(0, 255)).astype(np.uint8)
    expected = network.predict(eight).probabilities
    assert capsys.readouterr().err == ""
    for numbers in (NUMBERS, NUMBERS.astype(np.float32), NUMBERS.astype(np.int64)):
        np.testing.assert_array_equal(network.predict(numbers).probabilities, expected)
    found = network.predict(NUMBERS / np.float32(10_000), unit="reflectance").probabilities
    np.testing.assert_allclose(found, expected, atol=1e-4)  # what lies between two grey levels may be rounded otherwise
    assert capsys.readouterr().err.count("clip(x * 255 / 2750, 0, 255)") == 1


def test_every_batch_is_checked() -> None:
    network = model(Unit("uint8"))
    eight = RNG.integers(40, 150, (6, 3, 32, 32)).astype(np.float32)
    assert len(network.predict(eight, batch_size=2).names) == 6
    broken = eight.copy()
    broken[5, 1, 30, 31] = np.nan
    with pytest.raises(UserError, match=r"NaN or infinite values \(1 of 2 patches"):
        network.predict(broken, batch_size=2)
    broken[5, 1, 30, 31] = np.inf
    with pytest.raises(UserError, match="NaN or infinite"):
        network.predict_step(Batch(torch.from_numpy(broken), torch.zeros(6), torch.arange(6)), 3)
    broken[4:] = 900
    with pytest.raises(UserError, match="--stretch LOW HIGH"):
        network.predict(broken, batch_size=2)


def test_what_is_plainly_wrong_has_a_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    network = model(Unit("uint16"), ("x", "y"))
    bright = np.full((4, 2, 32, 32), 60_000, np.uint16)
    message = r"The images: in another unit.*x 6e\+04, in training 200 to 2,300.*--unit raw"
    with pytest.raises(UserError, match=message):
        network.predict(bright)
    assert len(network.predict(bright, unit="raw").names) == 4
    assert capsys.readouterr().err == ""
    network.predict(bright // 15)
    assert "warning: images: outside the range of the training: x 4,000, in training" in capsys.readouterr().err


def test_an_offset_left_in_is_a_doubt(capsys: pytest.CaptureFixture[str]) -> None:
    network = model()
    network.predict(NUMBERS)
    assert "above" not in capsys.readouterr().err
    network.predict(NUMBERS + 1000)
    assert "warning: images: all values are above 1,000, as in products since baseline 04.00" in capsys.readouterr().err


def test_another_size_is_said_once_with_both(capsys: pytest.CaptureFixture[str]) -> None:
    network = model()
    for _ in range(2):
        network.predict(np.full((3, 3, 48, 64), 90, np.uint8), batch_size=1)
    assert capsys.readouterr().err.count("warning: patches of 48 x 64 pixels, the model was trained on 32 x 32") == 1


def test_a_model_that_knows_nothing_of_its_training_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    network = model(input_statistics=None)
    for _ in range(2):
        network.predict(np.full((3, 3, 32, 32), 90, np.uint8), batch_size=1)
    assert capsys.readouterr().err.count("cannot be checked; python -m eurosat_cls upgrade RUN") == 1
    network.predict(np.full((3, 3, 32, 32), 1, np.uint8))


def test_paths_and_pillow_images_are_read_as_files_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = model()
    eight = RNG.integers(40, 150, (2, 32, 32, 3), dtype=np.uint8)
    expected = network.predict(eight.transpose(0, 3, 1, 2)).probabilities
    pictures = [Image.fromarray(pixels) for pixels in eight]
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    paths = [tmp_path / "0.png", str(tmp_path / "1.png")]
    opened = [Image.open(path) for path in paths]
    for given in (pictures, paths, np.array([str(path) for path in paths]), opened):
        np.testing.assert_allclose(network.predict(given).probabilities, expected, rtol=1e-5)
    assert len(network.predict(pictures[0]).names) == 1
    (tmp_path / "a.tif").write_bytes(tiff(NUMBERS[0], [description_tag(["B02", "B04", "B03"])]))
    found = network.predict([tmp_path / "a.tif"]).probabilities
    np.testing.assert_allclose(found, network.predict(NUMBERS[:1, [1, 2, 0]]).probabilities, rtol=1e-5)
    assert "taken to be" not in capsys.readouterr().err
    (tmp_path / "deep.png").write_bytes(deep_png(NUMBERS[0].transpose(1, 2, 0)))
    opened.append(Image.open(tmp_path / "deep.png"))
    opened[-1].load()
    for given in (tmp_path / "deep.png", opened[-1]):
        found = network.predict([given]).probabilities
        np.testing.assert_allclose(found, network.predict(NUMBERS[:1]).probabilities, rtol=1e-5)
    for image in opened:
        image.close()


def test_images_that_cannot_be_used_get_one_line(tmp_path: Path) -> None:
    network = model()
    small, large = (Image.new("RGB", (size, size), (90, 90, 90)) for size in (32, 48))
    for given, message in (
        ([tmp_path / "absent.png"], r"absent\.png: No such file"),
        ([small, large], r"image 2 is uint8 \[3, 48, 48\], the first one uint8 \[3, 32, 32\]"),
        ([small.convert("L")], r"got 1, but the model takes 3 \(B04, B03, B02\)"),
        ([small.convert("RGBA")], "wrong mode, got RGBA"),
        ([], "there are no images"),
        ([3], "predict: 3: "),
    ):
        with pytest.raises(UserError, match=message):
            network.predict(given)  # type: ignore[arg-type]


@pytest.mark.usefixtures("trained")
def test_images_are_held_against_the_training_that_the_checkpoint_remembers(run: Run, tmp_path: Path) -> None:
    right = RNG.integers(40, 160, (4, 64, 64, 3), dtype=np.uint8)
    for name, images in (("right", right), ("dark", np.ones_like(right))):
        (tmp_path / name).mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / name / f"{number}.png")
    code, printed = run("predict", "--ckpt_path", "best", "--images", "right")
    assert (code, "cannot be checked" in printed, "outside the range" in printed) == (0, False, False), printed
    code, printed = run("predict", "--ckpt_path", "best", "--images", "dark")
    assert (code, "outside the range of the training: B04 1, in training" in printed) == (0, True), printed
