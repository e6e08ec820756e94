"""The metrics of every epoch, as a table and as a picture."""

import warnings

from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls.analysis.report.epoch_table import read_metrics, write_metrics
from eurosat_cls.callbacks.pictures.base import save_picture
from eurosat_cls.callbacks.run_folder import run_folder
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import writing

STAGES = ("train/", "val/")


class LearningCurves(Callback):
    """Write ``metrics.csv`` after every epoch, and draw it as ``curves.png`` when the training ends.

    The table has a row for each epoch and a column for each metric, the learning rate included. A training that is
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
        metrics = trainer.callback_metrics  # brings together what all processes have, so all must ask for it
        if not trainer.is_global_zero or getattr(trainer, "fast_dev_run", False):
            return
        row = {k: float(v) for k, v in metrics.items() if k.startswith(STAGES)}
        row["train/learning_rate"] = trainer.optimizers[0].param_groups[0]["lr"]
        self._rows[trainer.current_epoch + 1] = row
        path = run_folder(trainer) / "metrics.csv"
        with writing(path, optional=True):
            write_metrics(path, self._rows)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the rows."""
        if not trainer.is_global_zero or not self._rows:
            return
        from eurosat_cls.analysis.plots.curves import draw_curves

        try:
            save_picture(trainer, "curves", draw_curves(self._rows))
        except UserError as error:
            warnings.warn(f"LearningCurves: {error}", stacklevel=2)
