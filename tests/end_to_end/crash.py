"""Callbacks that end a training in the middle, for tests of what is left then."""

import os

from lightning.pytorch import Callback, LightningModule, Trainer


class Crash(Callback):
    """Raise when an epoch starts."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == self.epoch:
            raise RuntimeError("crashed on purpose")


class Terminate(Callback):
    """Send a signal, SIGTERM if not told, to this process in the middle of an epoch, or only to the one of a rank."""

    def __init__(self, epoch: int, number: int = 15, rank: int | None = None) -> None:
        self.epoch, self.number, self.rank = epoch, number, rank

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: object) -> None:
        meant = self.rank in (None, trainer.global_rank)
        if meant and trainer.current_epoch == self.epoch and trainer.global_step % 2:
            os.kill(os.getpid(), self.number)
