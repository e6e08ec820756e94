"""From a scene's values to a model's: offsets, stretches, and scenes that contradict what is said of them."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eurosat_cls import Classifier
from eurosat_cls.data.eurosat import CLASS_NAMES, JPEG_UNIT, TIFF_UNIT
from eurosat_cls.data.identity import InputStatistics
from eurosat_cls.data.sentinel2 import BANDS, RGB
from eurosat_cls.data.unit import Unit
from eurosat_cls.encoders import ResNet
from eurosat_cls.scenes import open_scene
from eurosat_cls.scenes.units import model_input
from eurosat_cls.utils.errors import UserError
from tests.scenes.products import random_bands, write_product, write_raster, write_scene

LAND = random_bands(96, 96)
COLOURS = {band: LAND[band] for band in RGB}
SHIFTED = {band: values + 1000 for band, values in LAND.items()}
OWN = Unit("uint8")


def model(bands: Any = RGB, unit: Unit | None = TIFF_UNIT, names: Any = ("a", "b"), **statistics: Any) -> Classifier:
    eight = unit is None or unit.dtype == "uint8"
    given = {
        "mean": [90.0 if eight else float(np.mean(LAND.get(b, 0))) for b in bands],
        "std": [40.0 if eight else 600.0] * len(bands),
    }
    encoder = partial(ResNet, widths=(16,), blocks=(1,))
    return Classifier(encoder, list(names), list(bands), unit=unit and unit.plain(), **{**given, **statistics})


def statistics(bands: dict[str, np.ndarray], names: Any, scale: float = 1) -> dict[str, Any]:
    """What a training on patches like these bands would know of them."""
    values = [bands[name].astype(float) * scale for name in names]
    between = [[v.mean() * share for share in (0.5, 0.6, 1, 1.8, 2)] for v in values]
    low, high = ([float(pick(v)) for v in values] for pick in (np.min, np.max))
    return InputStatistics("uint16", (64, 64), "1", low, high, [v.mean() / 3 for v in values], between).plain()


def test_numbers_of_16_bits_stay_as_they_are_in_the_models_order(tmp_path: Path) -> None:
    with open_scene(write_scene(tmp_path / "a.tif", LAND)) as scene:
        conversion = model_input(model(), scene)
        values, _ = scene.read(conversion.bands, slice(0, 96), slice(0, 96))
    assert (conversion.bands, conversion.notes) == (list(RGB), [])
    np.testing.assert_array_equal(conversion.convert(values), np.stack([LAND[band] for band in RGB]))
    assert "as they are" in conversion.convert.describe()


def test_eurosats_8_bits_are_made_by_the_published_stretch(tmp_path: Path) -> None:
    with open_scene(write_scene(tmp_path / "a.tif", LAND)) as scene:
        conversion = model_input(model(unit=JPEG_UNIT), scene)
        values, _ = scene.read(conversion.bands, slice(0, 96), slice(0, 96))
    converted = conversion.convert(values)
    assert converted.dtype == np.uint8
    expected = np.rint(np.clip(values.astype(float) * 255 / 2750, 0, 255))
    assert np.abs(converted - expected).max() <= 1
    assert conversion.convert.describe() == (
        "clip(x * 255 / 2750, 0, 255) of 10,000 times the reflectance, as in the training patches"
    )


def test_8_bits_of_the_same_kind_stay_as_they_are(tmp_path: Path) -> None:
    planes = [(plane >> 4).astype(np.uint8) for plane in COLOURS.values()]
    with open_scene(write_raster(tmp_path / "a.tif", planes, list(COLOURS))) as scene:
        assert model_input(model(unit=JPEG_UNIT), scene).convert.stretch is None
        with pytest.raises(UserError, match="--stretch"):
            model_input(model(unit=JPEG_UNIT), scene, (0, 2750))
        with pytest.raises(UserError, match="8 bits do not hold"):
            model_input(model(), scene)


def test_own_images_of_8_bits_need_their_stretch(tmp_path: Path) -> None:
    with open_scene(write_scene(tmp_path / "a.tif", LAND)) as scene:
        with pytest.raises(UserError, match="--stretch LOW HIGH"):
            model_input(model(unit=OWN), scene)
        conversion = model_input(model(unit=OWN), scene, (100, 4100))
        with pytest.raises(UserError, match="below the second"):
            model_input(model(unit=OWN), scene, (3000, 0))
    assert conversion.convert(np.array([[[0, 100, 2100, 9000]]], np.uint16)).tolist() == [[[0, 0, 128, 255]]]
    assert "- 100) * 255 / 4000" in conversion.convert.describe()


@pytest.mark.parametrize(
    ("names", "mean", "stretch", "said"),
    [
        (("a", "b"), 1200.0, None, "10,000 times the reflectance"),
        (CLASS_NAMES, 90.0, (0, 2750), "EuroSAT's JPEGs"),
    ],
)
def test_a_checkpoint_without_a_unit_is_taken_for_what_its_mean_suggests(
    tmp_path: Path, names: Any, mean: float, stretch: Any, said: str
) -> None:
    old = model(unit=None, names=names, mean=[mean] * 3, std=[mean] * 3)
    with open_scene(write_scene(tmp_path / "a.tif", LAND)) as scene:
        conversion = model_input(old, scene)
    assert conversion.convert.stretch == stretch
    assert said in conversion.notes[0]


def test_digital_numbers_in_another_dtype_are_as_good(tmp_path: Path) -> None:
    for dtype in (np.int16, np.float32):
        bands = {band: values.astype(dtype) for band, values in COLOURS.items()}
        with open_scene(write_scene(tmp_path / "a.tif", bands)) as scene:
            assert not model_input(model(), scene).convert.changes


def test_reflectances_are_refused_unless_they_are_called_so(tmp_path: Path) -> None:
    bands = {band: values.astype(np.float32) / 10_000 for band, values in COLOURS.items()}
    with open_scene(write_scene(tmp_path / "a.tif", bands)) as scene:
        with pytest.raises(UserError, match=r"a\.tif: .*another unit.*--unit reflectance"):
            model_input(model(), scene)
        found = model_input(model(), scene, unit="reflectance")
        eight = model_input(model(unit=JPEG_UNIT), scene, unit="reflectance").convert
        values, _ = scene.read(found.bands, slice(0, 96), slice(0, 96))
    expected = np.stack([COLOURS[band] for band in RGB])
    np.testing.assert_array_equal(found.convert(values), expected)
    np.testing.assert_allclose(eight(values), (expected * (255 / 2750)).clip(0, 255), atol=0.51)


def test_missing_bands_are_named_with_the_reason(tmp_path: Path) -> None:
    surface = write_product(tmp_path, LAND, level="L2A")
    with open_scene(surface) as scene, pytest.raises(UserError, match="needs B10; Level-2A products have no B10"):
        model_input(model(BANDS), scene)
    next(surface.rglob("*_B05_20m.jp2")).unlink()
    with open_scene(surface) as scene, pytest.raises(UserError, match=r"needs B05; .*_B05_20m\.jp2 is not in"):
        model_input(model(("B05",)), scene)
    path = write_scene(tmp_path / "a.tif", {**COLOURS, "haze": LAND["B10"]})
    with open_scene(path) as scene, pytest.raises(UserError, match="needs B08, but the scene has B04, B03, B02, haze"):
        model_input(model(("B04", "B08")), scene)


def test_fewer_bands_run_on_level_2a_with_one_warning(tmp_path: Path) -> None:
    with open_scene(write_product(tmp_path, LAND, level="L2A")) as scene:
        notes = model_input(model(), scene).notes
    assert len(notes) == 1
    assert "Level-2A" in notes[0]


@pytest.mark.parametrize("kind", ["file", "product"])
def test_an_offset_that_was_not_said_is_found_by_b10(tmp_path: Path, kind: str) -> None:
    path = write_scene(tmp_path / "a.tif", SHIFTED) if kind == "file" else write_product(tmp_path, SHIFTED)
    for bands in (BANDS, RGB):  # B10 is looked at whether the model takes it or not
        with open_scene(path) as scene, pytest.raises(UserError, match=r"median of B10 is 1,01\d.*pass --offset -1000"):
            model_input(model(bands), scene)
    with open_scene(path, offset=-1000) as scene:
        assert model_input(model(BANDS), scene).notes == []


def test_an_offset_that_was_taken_out_before_is_found(tmp_path: Path) -> None:
    dark = {band: values // 4 for band, values in COLOURS.items()}
    for bands in ({**LAND}, dark):
        path = write_scene(tmp_path / "a.tif", bands)
        with open_scene(path, offset=-1000) as scene, pytest.raises(UserError, match="pass --offset 0"):
            model_input(model(), scene)


def test_bands_that_all_lie_above_the_offset_are_a_warning(tmp_path: Path) -> None:
    with open_scene(write_scene(tmp_path / "a.tif", {band: SHIFTED[band] for band in RGB})) as scene:
        notes = model_input(model(std=[5000.0] * 3), scene).notes
    assert len(notes) == 1
    assert "above 1,000" in notes[0]
    assert "--offset -1000" in notes[0]


def test_bands_of_other_sensors_have_no_offset_to_doubt(tmp_path: Path) -> None:
    own = {name: values + 3000 for name, values in zip(("vv", "vh", "height"), LAND.values())}
    with open_scene(write_scene(tmp_path / "a.tif", own)) as scene:
        assert model_input(model(list(own), Unit("uint16"), mean=[4000.0] * 3, std=[2000.0] * 3), scene).notes == []


def test_black_water_in_the_infrared_is_no_contradiction(tmp_path: Path) -> None:
    water = {**LAND, "B11": np.ones_like(LAND["B11"]), "B12": np.ones_like(LAND["B12"])}
    safe = write_product(tmp_path, water, baseline="05.09", offset=-1000)
    bands = ("B04", "B11", "B12")
    with open_scene(safe) as scene:
        assert model_input(model(bands, std=[3000.0] * 3), scene).notes == []


def test_values_outside_the_trainings_range_are_named_with_numbers(tmp_path: Path) -> None:
    with open_scene(write_scene(tmp_path / "a.tif", {**COLOURS, "B04": COLOURS["B04"] * 5})) as scene:
        notes = model_input(model(std=[300.0] * 3, input_statistics=statistics(LAND, RGB)), scene).notes
    assert len(notes) == 1
    assert "outside the range of the training" in notes[0]
    assert "B04" in notes[0]
    assert "B02" not in notes[0]


def test_a_scene_wholly_in_another_unit_is_refused(tmp_path: Path) -> None:
    other = model(RGB, mean=[1.0] * 3, std=[0.5] * 3, input_statistics=statistics(LAND, RGB, 1e-3))
    with open_scene(write_scene(tmp_path / "a.tif", COLOURS)) as scene:
        with pytest.raises(UserError, match=r"another unit.*B04 .*, in training .*--unit raw"):
            model_input(other, scene)
        assert model_input(other, scene, unit="raw").notes == []


def test_a_scene_without_valid_pixels_raises_no_doubt(tmp_path: Path) -> None:
    empty = {band: np.zeros_like(values) for band, values in LAND.items()}
    with open_scene(write_product(tmp_path, empty, baseline="05.09", offset=-1000)) as scene:
        assert model_input(model(BANDS), scene).notes == []
