"""How far the probabilities can be taken at their word."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from eurosat_cls.analysis.calibration import BINS, before_and_after, reliability
from eurosat_cls.callbacks.pictures.base import PlotCallback, Stage, save_picture
from eurosat_cls.callbacks.pictures.patches import scored_text
from eurosat_cls.callbacks.run_folder import run_folder
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.models.temperature import HIGHEST, LOWEST
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_bytes, write_json, writing
from eurosat_cls.utils.limits import read_json


class Calibration(PlotCallback):
    """Draw how often predictions of each probability come true, without and with the temperature of the validation.

    After the last validation of a training ``calibration_val.png``, after a test ``calibration_test.png`` and the same
    as ``calibration.png``; the metrics go to ``calibration.json``: expected calibration error over 15 bins of equal
    width, Brier score and negative log likelihood, of the last validation and of the test.

    The temperature is fitted on every validation, whether this callback is there or not; see
    :func:`eurosat_cls.models.temperature.fit_temperature`. On the very patches that it was fitted on it looks a
    little better than it is; the test shows what it is worth. ``model.init_args.calibrate`` applies it.
    """

    def draw(self, trainer: Trainer, module: Classifier, stage: Stage, epoch_outputs: EpochOutputs) -> None:
        """Draw the epoch's outputs and write its metrics."""
        from eurosat_cls.analysis.plots.calibration import draw_calibration

        logits, target = epoch_outputs.logits, epoch_outputs.target
        temperature = float(module.answering_temperature if stage == "test" else module.temperature)
        found = before_and_after(logits, target, module.task, temperature)
        if not found["patches"]:
            raise UserError("no patch has finite logits, so there is nothing to calibrate.")
        note = f"{stage}, {scored_text(trainer, stage, found['patches'])}"
        note += ", which the temperature was fitted on" if stage == "val" else ""
        if not 1.001 * LOWEST < temperature < 0.999 * HIGHEST:
            note += "; the temperature is at its bound"
        before, after = (reliability(logits, target, module.task, t) for t in (1.0, temperature))
        words = {
            "multiclass": ("the predicted class", "where it is right"),
            "binary": (name := module.class_names[-1], f"that is {name}"),
            "multilabel": ("a label", "of patches that have it"),
        }[module.task]
        folder = run_folder(trainer)
        save_picture(trainer, f"calibration_{stage}", draw_calibration(before, after, temperature, words, note))
        _write(folder, stage, {"applied": module.calibrate, "bins": BINS, **found})


def _write(folder: Path, stage: Stage, found: dict[str, Any]) -> None:
    """Add a stage to ``calibration.json``; give the picture of a test the name that it is known by."""
    path = folder / "calibration.json"
    stages = {key: value for key, value in read_json(path).items() if key in ("val", "test")}
    with writing(path):
        write_json(path, {**stages, stage: found})
    if stage == "test":
        path = folder / "calibration.png"
        with writing(path):
            write_bytes(path, (folder / "calibration_test.png").read_bytes())
