"""Notice a schedule that ends the training long before its last step."""

import warnings
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

LEAST = 1e-3  # of the learning rate at the start
EARLY = 0.1  # of the training


class FallingRate(Callback):
    """Warn, once, when the learning rate falls below a thousandth of its start in the first tenth of a training."""

    def __init__(self) -> None:
        self._start: float | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the rate of the first step; a training that goes on has been watched."""
        steps = trainer.estimated_stepping_batches if trainer.max_epochs != -1 or trainer.max_steps > 0 else 0
        self._last = EARLY * steps
        self._start = trainer.optimizers[0].param_groups[0]["lr"] if trainer.global_step == 0 else None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Look at the rate of the coming step."""
        if self._start is None:
            return
        if trainer.global_step > self._last:
            self._start = None
            return
        now = trainer.optimizers[0].param_groups[0]["lr"]
        if now < LEAST * self._start:
            warnings.warn(
                f"the learning rate has fallen from {self._start:g} to {now:.3g} after {trainer.global_step} of "
                f"{self._last / EARLY:.0f} steps: does the schedule count epochs, while model.lr_scheduler_interval is "
                f"{getattr(pl_module, 'lr_scheduler_interval', 'step')}?",
                stacklevel=2,
            )
            self._start = None
