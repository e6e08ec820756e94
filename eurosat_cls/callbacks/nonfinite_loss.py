"""Stop a training whose loss is no longer a number."""

import math
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from eurosat_cls.callbacks.run_folder import run_folder
from eurosat_cls.data.batch import Batch
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_text


class NonFiniteLossError(UserError):
    """The training has diverged."""


class StopOnNonFiniteLoss(Callback):
    """Raise at the first NaN or infinite training loss, naming the step and the files of its batch.

    On a GPU the look at a loss waits for the device, so there each loss is looked at one step later, when it is ready.
    """

    def __init__(self) -> None:
        self._pending: tuple[Tensor, Tensor, int] | None = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Look at this loss on a CPU, at the one before on other devices."""
        loss: Tensor = outputs["loss"].detach()
        previous, self._pending = self._pending, (loss, batch.indices, trainer.global_step)
        if loss.device.type == "cpu":
            previous, self._pending = self._pending, None
        self._check(trainer, previous)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the last one, before a checkpoint is written."""
        pending, self._pending = self._pending, None
        self._check(trainer, pending)

    def _check(self, trainer: Trainer, pending: tuple[Tensor, Tensor, int] | None) -> None:
        if pending is None or math.isfinite(pending[0].item()):
            return
        loss, index, step = pending
        where = f"The training loss is {loss.item()} at step {step} (epoch {trainer.current_epoch})."
        names = _files(trainer, index)
        if not names:
            raise NonFiniteLossError(f"{where} Training stopped; lower the learning rate or look at the images.")
        listed = run_folder(trainer) / "nonfinite_batch.txt"
        write_text(listed, "\n".join(names) + "\n")
        shown = ", ".join(names[:4])
        raise NonFiniteLossError(
            f"{where} Training stopped. Files of the batch: {shown}, ... (all {len(names)} in {listed})."
        )


def _files(trainer: Trainer, index: Tensor) -> list[str]:
    data: Any = getattr(trainer, "datamodule", None)
    return [] if data is None else list(data.files(index.tolist()))
