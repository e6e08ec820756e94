"""The errors of a validation or a test: those to look at as a picture, all of them as a table."""

from collections.abc import Sequence

import numpy as np
from lightning.pytorch import Trainer

from eurosat_cls.analysis.hard_examples import Decisions
from eurosat_cls.analysis.plots.colour import colour_name
from eurosat_cls.callbacks.pictures.base import Stage, save_picture
from eurosat_cls.callbacks.pictures.patches import HardPatchesPlot, decide, describe_errors, hard_patches, patches_of
from eurosat_cls.callbacks.run_folder import run_folder
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.utils.files import csv_text, write_text, writing


class Misclassified(HardPatchesPlot):
    """Write ``misclassified.csv`` and draw ``misclassified.png``, after a training's last validation and after a test.

    The picture shows the most confident errors and the least certain hits. In a multilabel task a patch is shown with
    the worst of its decisions. The table has all errors, the most confident one first, and those without a number (NaN)
    last; in a multilabel task all wrong decisions.
    """

    def draw(self, trainer: Trainer, module: Classifier, stage: Stage, epoch_outputs: EpochOutputs) -> None:
        """Write the table, and draw what there is to see."""
        from eurosat_cls.analysis.plots.misclassified import draw_misclassified

        data, decisions = patches_of(trainer), decide(module, epoch_outputs)
        path = run_folder(trainer) / "misclassified.csv"
        with writing(path):
            write_text(path, error_table(decisions, data))
        shown = hard_patches(data, decisions, self.patches)
        note = f"{describe_errors(shown.decisions, stage)}; {colour_name(shown.bands)}"
        picture = draw_misclassified(shown.images, shown.hardest, shown.files, shown.bands, note)
        save_picture(trainer, "misclassified", picture)


def error_table(decisions: Decisions, data: PatchDataModule) -> str:
    """Return the errors as CSV: file, in a multilabel task label, true, predicted, confidence and true_probability.

    What is predicted without a number stays empty.
    """
    errors = decisions.errors()
    label_column = ["label"] if decisions.multilabel else []
    rows = [["file", *label_column, "true", "predicted", "confidence", "true_probability"]]
    files: Sequence[str] = data.files(decisions.indices[decisions.place[errors]].tolist())
    for file, m in zip(files, errors.tolist(), strict=True):
        said, true, confidence = int(decisions.said[m]), int(decisions.true[m]), float(decisions.confidence[m])
        label = [decisions.sides[decisions.sides[said].output].name] if decisions.multilabel else []
        predicted = "" if np.isnan(confidence) else decisions.sides[said].name
        numbers = (f"{value:.6f}" for value in (confidence, decisions.probabilities[decisions.place[m], true]))
        rows.append([file, *label, decisions.sides[true].name, predicted, *numbers])
    return csv_text(rows)
