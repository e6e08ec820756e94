"""From a scene's values to those that a model was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eurosat_cls.data.identity import Look
from eurosat_cls.data.sentinel2 import BANDS
from eurosat_cls.data.unit import Conversion, UnitName, ValueRange
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.scenes.scene import Scene
from eurosat_cls.scenes.unit_checks import check_offset
from eurosat_cls.utils.errors import UserError


@dataclass(frozen=True)
class ModelInput:
    """How a scene becomes a model's input.

    Attributes:
        bands: to read, in the model's order.
        convert: from the scene's values ``[C, h, w]`` to the model's; not valid pixels become something, too.
        notes: what a person should know of it, in sentences.
    """

    bands: list[str]
    convert: Conversion
    notes: list[str]


def model_input(
    model: Classifier, scene: Scene, stretch: Sequence[float] | None = None, unit: UnitName | None = None
) -> ModelInput:
    """Return how a scene becomes a model's input, after checking that it can.

    Args:
        model: that is to see the scene.
        scene: the scene; a sample of each band is read.
        stretch: values of 10,000 times the reflectance that were 0 and 255 in the 8-bit images of the training, where
            the model does not know.
        unit: what the scene's values are, where their dtype and range do not tell.

    Raises:
        UserError: when bands are missing, the values are of another unit than the model's and cannot be brought to it,
            or contradict the offset that the scene is said to have.
    """
    bands = list(model.bands)
    _check_bands(bands, scene)
    samples = {band: scene.sample(band) for band in dict.fromkeys([*bands, *(["B10"] if "B10" in scene.bands else [])])}
    check = model.input_check
    notes: list[str] = []
    values = _range(scene, [samples[band] for band in bands])
    try:
        convert = check.choose(values, unit, stretch)
    except UserError as error:
        raise UserError(f"{scene.path}: {error}") from None
    if check.mean and check.guess:
        said = f"taken for {check.guess}, as their mean suggests"
        notes.append(f"the checkpoint does not say what its values are; they are {said}.")
    if scene.level == "L2A" and check.unit.level != "L2A":
        are = "are" if check.unit.level else "may be"
        notes.append(
            f"{scene.name} is Level-2A (reflectance of the surface), the model's training patches {are} Level-1C (with "
            "the atmosphere): expect less of the map."
        )
    notes += check_offset(scene, samples)
    if all(samples[band].size for band in bands) and unit != "raw":
        medians = np.array([[np.median(convert(samples[band])) for band in bands]])
        try:
            found = check.compare(Look(values, medians), unit is None and stretch is None)
        except UserError as error:
            raise UserError(f"{scene.path}: {error}") from None
        notes += [f"{found}."] if found else []
    return ModelInput(bands, convert, notes)


def _range(scene: Scene, samples: Sequence[np.ndarray]) -> ValueRange:
    """Return the range of a scene's values; of a scene without valid pixels nothing is known but its dtype."""
    filled = [values for values in samples if values.size]
    return ValueRange.of(np.concatenate(filled)) if filled else ValueRange(str(scene.dtype), 0, 256, True)


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
