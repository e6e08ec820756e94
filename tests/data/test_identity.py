"""Patches of another unit, or of other bands, are told from those that are merely unusual."""

from typing import Any

import numpy as np
import pytest

from eurosat_cls.data.identity import InputStatistics, Verdict, judge, look_at, reduced
from eurosat_cls.data.unit import Unit, ValueRange, conversion_for
from eurosat_cls.utils.errors import UserError

# Means of EuroSAT's patches at 0, 1, 50, 99 and 100 %, their mean and deviation, from real ones
EUROSAT = {
    "B02": ([677, 718, 1083, 1814, 1977], 1117, 327),
    "B04": ([236, 247, 867, 2261, 3009], 941, 589),
    "B08": ([122, 131, 2435, 4035, 4579], 2300, 1109),
    "B09": ([52, 55, 716, 1847, 2128], 732, 401),
    "B10": ([4, 6, 12, 26, 50], 12, 5),
    "B11": ([18, 22, 1888, 3799, 4292], 1820, 1010),
}


def statistics(dtype: str, between: Any, high: float = 20000) -> InputStatistics:
    count = len(between)
    return InputStatistics(dtype, (64, 64), "1", [0.0] * count, [high] * count, [1.0] * count, between)


def patches(means: Any, dtype: str = "uint16", spread: float = 0.1, count: int = 8) -> np.ndarray:
    means = np.array(means, float)[:, None, None]
    values = means * (1 + spread * np.random.default_rng(0).standard_normal((count, len(means), 16, 16)))
    return values.astype(dtype) if dtype.startswith("float") else values.clip(0).round().astype(dtype)


def verdict(means: Any, bands: str, **options: Any) -> Verdict:
    names = bands.split()
    between, mean, std = zip(*(EUROSAT[name] for name in names))
    training = statistics("uint16", [list(map(float, b)) for b in between])
    return judge(look_at(patches(means, **options)), names, mean, std, training)


def test_ordinary_patches_and_patches_of_one_class_raise_no_doubt() -> None:
    assert verdict([1083, 867, 2435], "B02 B04 B08") == Verdict([], [])
    assert verdict([251, 45], "B08 B11") == Verdict([], [])  # water
    assert verdict([870, 417], "B02 B04") == Verdict([], [])


def test_snow_and_clouds_are_a_doubt_with_both_ranges() -> None:
    found = verdict([9000, 8500, 9000], "B02 B04 B08", spread=0)
    assert found.wrong == []
    assert found.doubtful[0] == "B02 9,000, in training 677 to 1,977"
    assert len(found.doubtful) == 3


def test_bands_in_another_order_are_wrong_where_one_is_unlike_the_others() -> None:
    found = verdict([2600, 716, 12], "B09 B10 B11", spread=0)  # by wavelength, where EuroSAT's order was expected
    assert found.wrong == ["B10 716, in training 4 to 50"]


@pytest.mark.parametrize("means", [np.array([90, 70, 190]), np.array([0.1, 0.08, 0.24]), np.array([-1.2, -0.5, 0.3])])
def test_other_units_in_floats_are_wrong(means: np.ndarray) -> None:
    assert len(verdict(means, "B02 B04 B08", dtype="float32", spread=0.01).wrong) == 3


def test_patches_without_anything_are_not_judged() -> None:
    assert verdict([0, 0], "B02 B04") == Verdict([], [])


def test_narrow_trainings_and_signed_values_are_judged_by_their_spread() -> None:
    decibel = statistics("float32", [[-22.0, -20.0, -12.0, -6.0, -5.0]])
    for mean, wrong, doubtful in ((-12, 0, 0), (-24, 0, 0), (0.1, 0, 1), (900, 1, 0)):
        found = judge(look_at(patches([mean], "float32")), ["VV"], [-12], [4], decibel)
        assert (len(found.wrong), len(found.doubtful)) == (wrong, doubtful)


def test_without_statistics_nothing_is_wrong_but_all_bands_off_are_a_doubt() -> None:
    found = judge(look_at(patches([8, 6], "uint8")), ["B02", "B04"], [1117, 941], [327, 2000], None)
    assert not found.wrong
    assert len(found.doubtful) == 2


def test_a_look_is_at_all_of_a_patch_and_cheap() -> None:
    image = np.zeros((2, 3, 64, 100), np.uint16)
    seen = reduced(image)
    assert seen.shape[2:] == (8, 100)
    assert seen.base is not None


def test_statistics_come_back_from_plain_data() -> None:
    kept = statistics("uint8", [[1.0, 2, 3, 4, 5]], 255)
    assert InputStatistics.from_plain(kept.plain(), 1) == kept
    for broken in ({}, {**kept.plain(), "patch_percentiles": [[1, 2]]}, {**kept.plain(), "dtype": "x"}):
        with pytest.raises(UserError, match="input_statistics"):
            InputStatistics.from_plain(broken, 1)


EIGHT, JPEG, DN = Unit("uint8"), Unit("uint8", True, (0, 2750)), Unit("uint16", True)
NUMBERS = ValueRange("uint16", 1, 4000, True)
SMALL = ValueRange("float32", 0.0, 0.9, False)


def test_16_bits_become_the_8_of_eurosat() -> None:
    found = conversion_for(JPEG, NUMBERS, [90])
    assert found(np.array([0, 1375, 9000], np.uint16)).tolist() == [0, 128, 255]
    assert conversion_for(JPEG, NUMBERS._replace(dtype="float32"), [90]) == found
    assert not conversion_for(JPEG, NUMBERS._replace(high=200), [90]).changes
    assert conversion_for(EIGHT, NUMBERS, [90], stretch=(100, 4100)).stretch == (100, 4100)


def test_reflectances_become_digital_numbers_when_they_are_called_so() -> None:
    found = conversion_for(DN, SMALL, [900], "reflectance")
    assert found(np.array([0.1234, 9], np.float32)).tolist() == [1234, 65535]
    assert conversion_for(JPEG, SMALL, [90], "reflectance")(np.array([0.275])).tolist() == [255]


@pytest.mark.parametrize(
    ("unit", "values", "options", "message"),
    [
        (EIGHT, NUMBERS, {}, r"values up to 4,000 \(uint16\).*--stretch LOW HIGH"),
        (EIGHT, NUMBERS, {"given": "dn"}, "--stretch LOW HIGH"),
        (DN, ValueRange("uint8", 0, 255, True), {}, "8 bits do not hold.*--unit raw"),
        (DN, SMALL, {}, "another unit.*0 to 1.*--unit reflectance.*--unit raw"),
        (JPEG, SMALL, {}, "another unit"),
        (JPEG, ValueRange("float32", -2, 3, False), {}, "look normalised.*the model normalises by itself"),
        (DN, NUMBERS, {"stretch": (0, 2750)}, "--stretch: brings values of 16 bits to 8"),
        (JPEG, NUMBERS, {"stretch": (5, 5)}, "below the second"),
        (JPEG, NUMBERS, {"stretch": (0, 5), "given": "raw"}, "leave out --stretch"),
        (Unit("float32"), NUMBERS, {"given": "dn"}, "unit of their own"),
    ],
)
def test_what_cannot_be_converted_is_refused_with_the_way_out(
    unit: Unit, values: ValueRange, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        conversion_for(unit, values, [90 if unit.dtype == "uint8" else 900], **options)


def test_raw_is_what_a_person_says() -> None:
    for unit in (EIGHT, JPEG, DN):
        assert not conversion_for(unit, SMALL, [900], "raw").changes
