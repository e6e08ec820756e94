"""Keep the best and the last checkpoint of a run."""

import math
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from eurosat_cls.errors import UserError
from eurosat_cls.files import replacing


class Checkpoints(Checkpoint):
    """Save ``checkpoints/last.ckpt`` after every epoch, and ``best.ckpt`` when the monitored figure has improved.

    Args:
        monitor: logged name that decides which epoch is the best; it must be logged by the validation. When None the
            model's own: ``val/accuracy`` of a classifier, ``val/loss`` of an autoencoder.
        mode: whether more or less of it is better; when None less of what ends in ``loss``, more of anything else.
        dirpath: folder of the checkpoints; ``checkpoints`` in the run folder when None.
    """

    def __init__(
        self, monitor: str | None = None, mode: Literal["max", "min"] | None = None, dirpath: str | None = None
    ) -> None:
        self.monitor: str = monitor or ""  # until setup
        self.mode: str = mode or ""
        self.dirpath = dirpath
        self.best_score: float | None = None
        self.best_epoch: int | None = None
        self._validated = False

    @property
    def state_key(self) -> str:
        """Name under which the state is kept in checkpoints."""
        return self._generate_state_key(monitor=self.monitor, mode=self.mode)

    def state_dict(self) -> dict[str, Any]:
        """Best figure so far, as plain data."""
        return {"best_score": self.best_score, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from an earlier best."""
        self.best_score, self.best_epoch = state_dict["best_score"], state_dict["best_epoch"]

    def folder(self, trainer: Trainer) -> Path:
        """Where the checkpoints go."""
        return Path(self.dirpath) if self.dirpath else Path(trainer.log_dir or trainer.default_root_dir) / "checkpoints"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Settle what was None."""
        self.monitor = self.monitor or str(getattr(pl_module, "monitor", "val/loss"))
        self.mode = self.mode or ("min" if self.monitor.endswith("loss") else "max")

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that this epoch has figures of its own."""
        self._validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the epoch."""
        if getattr(trainer, "fast_dev_run", False):
            return
        improved = self._validated and self._improves(trainer)
        self._validated = False
        last = self.folder(trainer) / "last.ckpt"
        trainer.save_checkpoint(last)
        if improved and trainer.is_global_zero:
            with replacing(last.with_name("best.ckpt")) as part:
                _link_or_copy(last, part)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Say from where a training that was stopped can go on."""
        if trainer.state.fn != "fit" or not isinstance(exception, (KeyboardInterrupt, SIGTERMException)):
            return
        last = self.folder(trainer) / "last.ckpt"
        way = f"continue from {last} with --ckpt_path last" if last.is_file() else "no epoch was finished, start again"
        print(f"stopped in epoch {trainer.current_epoch + 1}; {way}", file=sys.stderr)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where the best one is."""
        if self.best_score is not None and self.best_epoch is not None and trainer.is_global_zero:
            where = self.folder(trainer) / "best.ckpt"
            print(f"best {self.monitor} {self.best_score:.4f} in epoch {self.best_epoch + 1}: {where}", file=sys.stderr)

    def _improves(self, trainer: Trainer) -> bool:
        if self.monitor not in trainer.callback_metrics:
            logged = ", ".join(sorted(k for k in trainer.callback_metrics if k.startswith("val/")))
            raise UserError(
                f"checkpoint.monitor: {self.monitor!r} is not logged; there are {logged or 'no val figures'}."
            )
        score = float(trainer.callback_metrics[self.monitor])
        better = self.best_score is None or (score > self.best_score if self.mode == "max" else score < self.best_score)
        if better and not math.isnan(score):
            self.best_score, self.best_epoch = score, trainer.current_epoch
            return True
        return False


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)  # last.ckpt is replaced, never changed in place, so the link keeps this epoch
    except OSError:
        shutil.copyfile(source, target)
