"""From a scene's values to those that a model was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from eurosat_cls.data.eurosat import CLASS_NAMES, JPEG_UNIT
from eurosat_cls.data.sentinel2 import BANDS
from eurosat_cls.data.unit import Unit, stretched
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.scenes.scene import Scene
from eurosat_cls.scenes.unit_checks import check_offset, check_range
from eurosat_cls.utils.errors import UserError

_TO_UINT16 = "gdal_translate -ot UInt16"


@dataclass(frozen=True)
class Conversion:
    """Turn values ``[C, h, w]`` of a scene into a model's raw input of the same shape.

    Attributes:
        bands: to read, in the model's order.
        stretch: values that become 0 and 255; None to leave values as they are.
        source: where the stretch comes from, for people.
        notes: what a person should know of it, in sentences.
    """

    bands: list[str]
    stretch: tuple[float, float] | None = None
    source: str = ""
    notes: list[str] = field(default_factory=list)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Convert ``[C, h, w]``; not valid pixels become something, too."""
        return values if self.stretch is None else stretched(values, *self.stretch)

    def describe(self) -> str:
        """Say in a line what is done."""
        if self.stretch is None:
            return "values as they are in the scene, which are those that the model was trained on"
        low, high = self.stretch
        above = f"(x - {low:g})" if low else "x"
        return f"clip({above} * 255 / {high - low:g}, 0, 255) of 10,000 times the reflectance, as {self.source}"


def model_input(model: Classifier, scene: Scene, stretch: Sequence[float] | None = None) -> Conversion:
    """Return how a scene becomes a model's input, after checking that it can.

    Args:
        model: that is to see the scene.
        scene: the scene; a sample of each band is read.
        stretch: values of 10,000 times the reflectance that were 0 and 255 in the 8-bit images of the training, where
            the model does not know.

    Raises:
        UserError: when bands are missing, the values are of another unit than the model's and cannot be brought to it,
            or contradict the offset that the scene is said to have.
    """
    bands = list(model.bands)
    _check_bands(bands, scene)
    unit, notes = _unit_of(model)
    conversion = _conversion(bands, unit, scene, stretch)
    if scene.level == "L2A" and unit.level != "L2A":
        notes.append(
            f"{scene.name} is Level-2A (reflectance of the surface), the model's training patches "
            f"{'are Level-1C' if unit.level else 'may be Level-1C'} (with the atmosphere): expect less of the map."
        )
    samples = {band: scene.sample(band) for band in dict.fromkeys([*bands, *(["B10"] if "B10" in scene.bands else [])])}
    notes += check_offset(scene, samples)
    mean, std = ([float(value) for value in model.hparams.get(name) or ()] for name in ("mean", "std"))
    notes += check_range(scene, {band: conversion(samples[band]) for band in bands}, mean, std)
    return Conversion(bands, conversion.stretch, conversion.source, [*conversion.notes, *notes])


def _check_bands(bands: Sequence[str], scene: Scene) -> None:
    lacking = [band for band in bands if band not in scene.bands]
    if not lacking:
        return
    if reason := scene.missing.get(lacking[0]):
        raise UserError(f"{scene.path}: the model needs {lacking[0]}; {reason}.")
    strange = [band for band in scene.bands if band not in BANDS]
    names = f"; name them with --bands where {', '.join(strange[:3])} is not what they are" if strange else ""
    raise UserError(
        f"{scene.path}: the model needs {', '.join(lacking)}, but the scene has {', '.join(scene.bands)}{names}."
    )


def _unit_of(model: Classifier) -> tuple[Unit, list[str]]:
    """Return the unit of a model's patches, guessed for a checkpoint that does not know it."""
    if kept := model.hparams.get("unit"):
        return Unit.from_plain(kept), []
    mean = model.hparams.get("mean") or ()
    if mean and max(mean) > np.iinfo(np.uint8).max:
        unit, said = Unit("uint16", reflectance=True), "10,000 times the reflectance"
    elif list(model.class_names) == list(CLASS_NAMES):
        unit, said = JPEG_UNIT, "those of EuroSAT's JPEGs"
    else:
        unit, said = Unit("uint8"), "those of 8-bit images"
    return unit, [
        f"the checkpoint does not say what its values are; they are taken for {said}, as their mean suggests."
    ]


def _conversion(bands: list[str], unit: Unit, scene: Scene, stretch: Sequence[float] | None) -> Conversion:
    """Decide what turns a scene's dtype into the model's."""
    here, there = str(scene.dtype), unit.dtype
    if (here, there) == ("uint16", "uint8"):
        if stretch is not None:
            low, high = stretch
            if not low < high:
                raise UserError(f"--stretch {low:g} {high:g}: the first value must be below the second.")
            return Conversion(bands, (float(low), float(high)), "--stretch says")
        if unit.stretch is not None:
            return Conversion(bands, unit.stretch, "in the training patches")
        raise UserError(
            f"{scene.path}: it has 16 bits, the model was trained on 8-bit images; say which values of the scene were "
            "0 and 255 in these: --stretch LOW HIGH"
        )
    if stretch is not None:
        raise UserError(f"--stretch: brings scenes of 16 bits to 8; this one is {here}, the model's patches {there}.")
    if here == there:
        return Conversion(bands)
    ways = {
        "int16": f"save it as uint16: {_TO_UINT16}",
        "float32": f"save it as uint16, reflectance of 0 to 1 as 0 to 10,000: {_TO_UINT16} -scale 0 1 0 10000",
        "uint8": "8 bits do not hold what it was trained on; take the scene's 16-bit values",
        "uint16": f"save it as {there}",
    }
    raise UserError(f"{scene.path}: its values are {here}, the model was trained on {there}; {ways[here]}.")
