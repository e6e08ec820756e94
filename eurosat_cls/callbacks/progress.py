"""One line per epoch, a bar on a terminal, and the metrics of the training itself."""

import sys
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

from eurosat_cls.data.batch import Batch
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.utils.distributed import rank_zero_print
from eurosat_cls.utils.threads import share_cores

SHOWN = ("train/loss", "val/loss", "val/accuracy", "val/macro_f1")


class EpochBar(RichProgressBar):
    """Lightning's bar; it counts epochs as the lines of :class:`EpochSummary` do and repeats none of their metrics."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """Return nothing: the run folder's name, of which Lightning shows the last letters, has been told."""
        return {}

    def _get_train_description(self, current_epoch: int) -> str:
        text = f"epoch {current_epoch + 1}/{self.trainer.max_epochs}"
        return text.ljust(len(self.validation_description))  # the bar of the validation stands below it


class EpochSummary(Callback):
    """Print a line after every epoch; log ``train/images_per_second`` and ``train/learning_rate``.

    The rate counts training steps only, not validation.
    """

    def __init__(self) -> None:
        self._images = 0
        self._start = self._end = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, also of an epoch that is gone on with; tell of a validation that is limited."""
        self._start = self._end = time.perf_counter()
        data = getattr(trainer, "datamodule", None)
        scored, of = data.scored("val") if isinstance(data, PatchDataModule) else (0, 0)
        if 0 < scored < of:
            rank_zero_print(f"validation: {scored:,} of {of:,} patches, of all classes (trainer.limit_val_batches)")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look how many threads there are cores for now, and start the clock."""
        share_cores()
        self._images = 0
        self._start = self._end = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Count the images."""
        self._images += len(batch.target)
        self._end = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log and print."""
        rate = trainer.world_size * self._images / max(self._end - self._start, 1e-9)
        learning_rate = trainer.optimizers[0].param_groups[0]["lr"]
        pl_module.log("train/images_per_second", rate, sync_dist=True)
        pl_module.log("train/learning_rate", learning_rate, sync_dist=True)
        logged = trainer.callback_metrics  # brings together what all processes have, so all must ask for it
        if trainer.is_global_zero:
            seconds = time.perf_counter() - self._start
            metrics = {k: float(v) for k, v in logged.items()}
            shown = [f"{name} {metrics[name]:.4f}" for name in SHOWN if name in metrics]
            epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            print(f"{epoch}  {'  '.join(shown)}  {rate:.0f} images/s  {seconds:.1f} s", file=sys.stderr, flush=True)
