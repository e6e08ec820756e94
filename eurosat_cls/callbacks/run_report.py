"""What a test leaves behind besides its figures: every answer, and the report."""

import csv
import io
import sys
import warnings
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls.analysis.report.page import write_report
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_text


class RunReport(Callback):
    """After a test write ``test_predictions.csv``, a row for each patch, and ``report.html``, which shows all there is.

    It comes after the callbacks whose pictures it shows. What cannot be written is a warning.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write both."""
        answers = self._answers(trainer, pl_module) if isinstance(pl_module, Classifier) else ""
        if not trainer.is_global_zero:
            return
        try:
            if answers:
                write_text(self.folder / "test_predictions.csv", answers)
            print(f"report: {write_report(self.folder)}", file=sys.stderr)
        except OSError as error:
            warnings.warn(f"{self.folder}: the report cannot be written ({error.strerror})", stacklevel=2)
        except UserError as error:
            warnings.warn(f"there is no report: {error}", stacklevel=2)

    def _answers(self, trainer: Trainer, module: Classifier) -> str:
        outcome = module.outcome("test")
        probabilities = module.probabilities(outcome.logits)
        true = module.rules.names_of(outcome.target)
        files = trainer.datamodule.files(outcome.rows.tolist())  # type: ignore[attr-defined]
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "true", *module.prediction_columns()])
        rows = module.prediction_rows(probabilities)
        writer.writerows([file, name, *row] for file, name, row in zip(files, true, rows, strict=True))
        return stream.getvalue()
