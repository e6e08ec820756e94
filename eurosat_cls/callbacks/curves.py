"""The figures of every epoch, as a table and as a picture."""

import csv
import io
import warnings
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls.callbacks.picture import run_folder, save_picture
from eurosat_cls.errors import UserError
from eurosat_cls.files import write_text

STAGES = ("train/", "val/")


class LearningCurves(Callback):
    """Write ``metrics.csv`` after every epoch, and draw it as ``curves.png`` when the training ends.

    The table has a row for each epoch and a column for each figure, the learning rate included. A training that is
    continued keeps the rows of the epochs before.
    """

    def __init__(self) -> None:
        self._rows: dict[int, dict[str, float]] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take up the epochs before the one that the training goes on with."""
        path = run_folder(trainer) / "metrics.csv"
        self._rows = {epoch: row for epoch, row in read_metrics(path).items() if epoch < trainer.current_epoch + 1}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row."""
        if not trainer.is_global_zero or getattr(trainer, "fast_dev_run", False):
            return
        row = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith(STAGES)}
        row["train/learning_rate"] = trainer.optimizers[0].param_groups[0]["lr"]
        self._rows[trainer.current_epoch + 1] = row
        _write(run_folder(trainer) / "metrics.csv", self._rows)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the rows."""
        if not trainer.is_global_zero or not self._rows:
            return
        from eurosat_cls.pictures.curves import draw_curves

        try:
            save_picture(trainer, "curves", draw_curves(self._rows))
        except UserError as error:
            warnings.warn(f"LearningCurves: {error}", stacklevel=2)


def read_metrics(path: Path) -> dict[int, dict[str, float]]:
    """Return the rows of ``metrics.csv`` by epoch, from 1; none where there is no such file or it is damaged."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return {
                int(row["epoch"]): {name: float(value) for name, value in row.items() if name != "epoch" and value}
                for row in csv.DictReader(stream)
            }
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}


def _write(path: Path, rows: dict[int, dict[str, float]]) -> None:
    names = sorted({name for row in rows.values() for name in row})
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["epoch", *names])
    for epoch, row in sorted(rows.items()):
        writer.writerow([epoch, *(row.get(name, "") for name in names)])
    try:
        write_text(path, stream.getvalue())
    except OSError as error:
        warnings.warn(f"LearningCurves: {path} cannot be written ({error.strerror})", stacklevel=2)
