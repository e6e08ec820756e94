"""The unit of raw patches, and how to get there from reflectance."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from eurosat_cls.utils.errors import UserError

# What a person can say of values: in the training's unit; 10,000 times the reflectance; reflectances of 0 to 1.
UnitName = Literal["raw", "dn", "reflectance"]
OFFSET = -1000  # of the digital numbers of all bands in products since baseline 04.00
_QUANTIFICATION = 10_000
_BRIGHTEST = 2.0  # reflectance of a cloud or of glint
_NORMALISED = 20.0  # standard deviations, more than any image holds
_RAW = "or --unit raw where they are what it was trained on"


@dataclass(frozen=True)
class Unit:
    """What the values of raw patches mean.

    Attributes:
        dtype: numpy name of their dtype.
        reflectance: whether they are 10,000 times the reflectance, or made of that by ``stretch``.
        stretch: the values of 10,000 times the reflectance that became 0 and 255; None where they are as they were.
        level: processing level of the products that they were cut from, ``L1C`` or ``L2A``; None where unknown.
    """

    dtype: str
    reflectance: bool = False
    stretch: tuple[float, float] | None = None
    level: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return plain data, as checkpoints keep it."""
        return {**asdict(self), "stretch": None if self.stretch is None else list(self.stretch)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Unit":
        """Return the unit that :meth:`plain` was called on."""
        stretch = plain.get("stretch")
        return cls(
            str(plain["dtype"]),
            bool(plain.get("reflectance")),
            None if stretch is None else (float(stretch[0]), float(stretch[1])),
            plain.get("level"),
        )


class ValueRange(NamedTuple):
    """What is known of some values.

    Attributes:
        dtype: numpy name.
        low: the smallest.
        high: the largest.
        whole: whether all are whole numbers.
    """

    dtype: str
    low: float
    high: float
    whole: bool

    @classmethod
    def of(cls, values: np.ndarray) -> "ValueRange":
        """Look at all of some values."""
        whole = values.dtype.kind in "iub" or bool((values == np.trunc(values)).all())
        return cls(str(values.dtype), float(values.min()), float(values.max()), whole)


@dataclass(frozen=True)
class Conversion:
    """Turn values into a model's raw input of the same shape.

    Attributes:
        scale: what values are multiplied by.
        stretch: values, after that, which become 0 and 255 in uint8; None for none.
        dtype: numpy name of scaled values that are not stretched.
        source: where the stretch comes from, for people.
    """

    scale: float = 1
    stretch: tuple[float, float] | None = None
    dtype: str = "uint16"
    source: str = ""

    @property
    def changes(self) -> bool:
        """Whether values come out as others."""
        return self.scale != 1 or self.stretch is not None

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Convert values of any shape."""
        if self.scale != 1:
            values = values.astype(np.float32) * np.float32(self.scale)
        if self.stretch is not None:
            return stretched(values, *self.stretch)
        if self.scale == 1:
            return values
        limits = np.iinfo(self.dtype)
        rounded: np.ndarray = np.rint(values.clip(limits.min, limits.max)).astype(self.dtype)
        return rounded

    def describe(self) -> str:
        """Say in a line what is done."""
        if not self.changes:
            return "values as they are, which are those that the model was trained on"
        if self.stretch is None:
            return f"{self.scale:,g} times the values, which are reflectances of 0 to 1"
        low, high = self.stretch
        above = f"(x - {low:g})" if low else "x"
        return f"clip({above} * 255 / {high - low:g}, 0, 255) of 10,000 times the reflectance, as {self.source}"


def conversion_for(
    unit: Unit,
    values: ValueRange,
    mean: Sequence[float] = (),
    given: UnitName | None = None,
    stretch: Sequence[float] | None = None,
) -> Conversion:
    """Decide how values become a model's raw input.

    Args:
        unit: of the model's training patches.
        values: what the values are.
        mean: of each band in the training; empty where unknown.
        given: what a person says that the values are; None leaves it to their dtype and range.
        stretch: values of 10,000 times the reflectance that were 0 and 255 in the training's 8-bit images.

    Raises:
        UserError: with the way out, for values in a unit that the model was not trained on and that nothing brings to
            it, and for settings that contradict each other. Whoever knows where the values come from adds it.

    Example:
        >>> eight = Unit("uint8", reflectance=True, stretch=(0, 2750))
        >>> conversion_for(eight, ValueRange("uint16", 1, 4000, True)).stretch
        (0, 2750)
    """
    eight = unit.dtype == "uint8"
    if given == "raw":
        if stretch is not None:
            raise UserError("--unit raw takes values as they are: leave out --stretch.")
        return Conversion()
    if stretch is not None:
        chosen = _chosen_stretch(stretch, eight and values.dtype != "uint8", values.dtype, unit.dtype)
        scale = _QUANTIFICATION if given == "reflectance" else 1
        return Conversion(scale, chosen, source="--stretch says")
    if given is not None:
        return _said(unit, given)
    _refuse_small_numbers(unit, values, mean)
    if eight and values.dtype != "uint8" and values.high > np.iinfo(np.uint8).max:
        if unit.stretch is None:
            raise UserError(
                f"values up to {values.high:,.6g} ({values.dtype}), but the model was trained on 8-bit images; say "
                "which values of 10,000 times the reflectance were 0 and 255 in these: --stretch LOW HIGH"
            )
        return Conversion(stretch=unit.stretch, source="in the training patches")
    if values.dtype == "uint8" and not eight and max(mean, default=0) > np.iinfo(np.uint8).max:
        raise UserError(
            f"8 bits do not hold what the model was trained on ({unit.dtype}, mean {max(mean):,.4g}); take the values "
            f"that the images were made of, {_RAW}"
        )
    return Conversion()


def _chosen_stretch(stretch: Sequence[float], possible: bool, here: str, there: str) -> tuple[float, float]:
    low, high = map(float, stretch)
    if not low < high:
        raise UserError(f"--stretch {low:g} {high:g}: the first value must be below the second.")
    if not possible:
        raise UserError(
            f"--stretch: brings values of 16 bits to 8; these are {here}, the model's training patches {there}."
        )
    return low, high


def _said(unit: Unit, given: UnitName) -> Conversion:
    """Return how a model gets what a person says that values are."""
    if unit.dtype == "uint8" and unit.stretch is None:
        raise UserError(
            f"--unit {given}: the model was trained on 8-bit images; say which values of 10,000 times the reflectance "
            "were 0 and 255 in these: --stretch LOW HIGH"
        )
    if np.dtype(unit.dtype).kind == "f":
        raise UserError(
            f"--unit {given}: the model was trained on {unit.dtype} values in a unit of their own; bring the values to "
            "it, and pass --unit raw"
        )
    scale = _QUANTIFICATION if given == "reflectance" else 1
    return Conversion(scale, unit.stretch, unit.dtype, "in the training patches")


def _refuse_small_numbers(unit: Unit, values: ValueRange, mean: Sequence[float]) -> None:
    """Refuse reflectances of 0 to 1, and normalised values, for a model that was trained on whole numbers."""
    large = np.dtype(unit.dtype).kind in "iu" and max(mean, default=0) > _NORMALISED
    if not large or values.whole or values.high > (_NORMALISED if values.low < 0 else _BRIGHTEST):
        return
    look = "look normalised" if values.low < 0 else "look like reflectances, or scaled to 0 to 1"
    way = "" if values.low < 0 else ", pass --unit reflectance"
    raise UserError(
        f"values from {values.low:.3g} to {values.high:.3g} are in another unit than the training data ({unit.dtype}, "
        f"mean {max(mean):,.4g}) and {look}: give raw sensor values, the model normalises by itself{way}, {_RAW}"
    )


def stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Bring values to 8 bits: ``clip((x - low) * 255 / (high - low), 0, 255)``, rounded, uint8 of the same shape.

    Example:
        >>> stretched(np.array([0, 1000, 4000], np.uint16), 0, 2750).tolist()
        [0, 93, 255]
    """
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    result: np.ndarray = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    return result
