"""Keep the best and the last checkpoint of a run."""

import math
import sys
import time
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from eurosat_cls.callbacks.run_folder import run_folder
from eurosat_cls.callbacks.stop import check_logged, settled_mode
from eurosat_cls.checkpoints.files import copy_checkpoint
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import remove_parts
from eurosat_cls.utils.lightning_private import validates_next
from eurosat_cls.utils.limits import COUNT, NUMBER, checked
from eurosat_cls.utils.signals import Stopped, StopRequest


class Checkpoints(Checkpoint):
    """Keep ``checkpoints/last.ckpt``, from which a training goes on, and ``best.ckpt``, of the best epoch so far.

    The last one is saved after every epoch, within epochs every few minutes, and when SIGTERM or SIGINT (Ctrl-C) ask
    for the end: after the optimizer step or the validation under way. A second signal ends at once.

    Args:
        monitor: logged name that decides which epoch is the best; it must be logged by the validation. When None the
            model's own: ``val/accuracy`` of a classifier, ``val/loss`` of an autoencoder.
        mode: whether more or less of it is better; when None as its metric says, else by its name.
        dirpath: folder of the checkpoints; ``checkpoints`` in the run folder when None.
        every_minutes: minutes of training after which the last one is saved within an epoch; None for not.

    Raises:
        UserError: for a number of minutes that is not above 0; later for a mode that contradicts the metric.
    """

    def __init__(
        self,
        monitor: str | None = None,
        mode: Literal["max", "min"] | None = None,
        dirpath: str | None = None,
        every_minutes: float | None = 5.0,
    ) -> None:
        if every_minutes is not None and not every_minutes > 0:
            raise UserError(f"checkpoint.every_minutes must be above 0, or null for not; got {every_minutes}.")
        self.monitor: str = monitor or ""  # until setup
        self.mode: str = mode or ""
        self.dirpath = dirpath
        self.every_minutes = every_minutes
        self.best_score: float | None = None
        self.best_epoch: int | None = None
        self._metric: float | None = None  # of the epoch under way, when it has been validated
        self._request = StopRequest()
        self._saved_at = 0.0

    @property
    def state_key(self) -> str:
        """Name under which the state is kept in checkpoints."""
        return self._generate_state_key(monitor=self.monitor, mode=self.mode)

    def state_dict(self) -> dict[str, Any]:
        """Best metric so far, and that of the epoch under way, as plain data."""
        return {"best_score": self.best_score, "best_epoch": self.best_epoch, "metric": self._metric}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from an earlier best."""
        found = checked(
            state_dict, {"best_score": NUMBER, "best_epoch": COUNT, "metric": NUMBER}, "the best checkpoint"
        )
        self.best_score, self.best_epoch, self._metric = map(found.get, ("best_score", "best_epoch", "metric"))

    def folder(self, trainer: Trainer) -> Path:
        """Where the checkpoints go."""
        return Path(self.dirpath) if self.dirpath else run_folder(trainer) / "checkpoints"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Settle what was None; remove what a process that was killed while saving has left."""
        self.monitor = self.monitor or str(getattr(pl_module, "monitor", "val/loss"))
        self.mode = settled_mode(pl_module, self.monitor, self.mode, "checkpoint")
        if stage == "fit" and trainer is not None and trainer.is_global_zero:
            remove_parts(self.folder(trainer), "*.ckpt")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on signals wait for the next moment to save."""
        self._request = StopRequest()
        self._request.listen()
        self._saved_at = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when a signal or the clock says so, after an optimizer step.

        Not before a validation or the end of an epoch: what follows there belongs to the step.
        """
        if (
            batch_idx + 1
        ) % trainer.accumulate_grad_batches or trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return
        if getattr(trainer, "fast_dev_run", False) or validates_next(trainer):
            return
        due = self.every_minutes is not None and time.monotonic() - self._saved_at >= 60 * self.every_minutes
        due, number = any_process_stops(trainer, due, self._request.signal)
        if due or number:
            self._save(trainer, self.folder(trainer) / "last.ckpt")
        if number:
            raise Stopped(number)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the metric of this epoch."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            check_logged(trainer, self.monitor, "checkpoint")
            self._metric = float(trainer.callback_metrics[self.monitor])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the epoch."""
        if getattr(trainer, "fast_dev_run", False):
            return
        metric, self._metric = self._metric, None
        last = self.folder(trainer) / "last.ckpt"
        if metric is not None and self._improves(metric):
            self.best_score, self.best_epoch = metric, trainer.current_epoch
            # First the best, then the last: a training that is killed in between goes on before this epoch's end.
            best = last.with_name("best.ckpt")
            self._save(trainer, best)
            if trainer.is_global_zero:
                copy_checkpoint(best, last)
        else:
            self._save(trainer, last)
        _, number = any_process_stops(trainer, False, self._request.signal)
        if number:
            raise Stopped(number)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Say from where a training that was stopped can go on."""
        self._request.close()
        if trainer.state.fn != "fit" or not isinstance(exception, Stopped) or not trainer.is_global_zero:
            return
        last = self.folder(trainer) / "last.ckpt"
        way = f"continue from {last} with --ckpt_path last" if last.is_file() else "nothing was saved yet, start again"
        print(f"stopped by {exception} in epoch {trainer.current_epoch + 1}; {way}", file=sys.stderr)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where the best one is."""
        self._request.close()
        if self.best_score is not None and self.best_epoch is not None and trainer.is_global_zero:
            where = self.folder(trainer) / "best.ckpt"
            print(f"best {self.monitor} {self.best_score:.4f} in epoch {self.best_epoch + 1}: {where}", file=sys.stderr)

    def _save(self, trainer: Trainer, path: Path) -> None:
        trainer.save_checkpoint(path)
        self._saved_at = time.monotonic()

    def _improves(self, metric: float) -> bool:
        if math.isnan(metric):
            return False
        best = self.best_score
        return best is None or (metric > best if self.mode == "max" else metric < best)


def any_process_stops(trainer: Trainer, due: bool, number: int | None) -> tuple[bool, int]:
    """Return whether any process wants to save, and the signal that any of them got, or 0; to be called by all."""
    if trainer.world_size == 1:
        return due, number or 0
    wishes = torch.tensor([int(due), number or 0], device=trainer.strategy.root_device)
    torch.distributed.all_reduce(wishes, torch.distributed.ReduceOp.MAX)
    wanted, signal = wishes.tolist()
    return bool(wanted), signal
