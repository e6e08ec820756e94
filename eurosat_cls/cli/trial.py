"""The process of one trial: a training as ``fit`` makes it, which tells its search of every validation."""

import os
import sys
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls.callbacks.nonfinite_loss import NonFiniteLossError
from eurosat_cls.callbacks.tensorboard import TensorBoardText, plain_settings
from eurosat_cls.cli import run as dispatch
from eurosat_cls.cli.application import EuroSATCLI
from eurosat_cls.search.channel import OVERLAY, RESULT, Channel
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_json
from eurosat_cls.utils.limits import NUMBER, checked, read_json


class ReportToSearch(Callback):
    """Keep the metrics of the best epoch in ``trial.json``, tell the search of every epoch, and stop when it says so.

    Args:
        folder: the run folder.
        monitor: the metric that counts.
        mode: ``max`` or ``min``.
        channel: the line to the search; None in all processes of a training but the first.
    """

    def __init__(self, folder: Path, monitor: str, mode: str, channel: Channel | None) -> None:
        self.path, self.monitor, self.mode, self.channel = folder / RESULT, monitor, mode, channel
        self.best: float | None = None
        self.reason: str | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on from the best epoch of a training that is continued."""
        if trainer.ckpt_path:
            self.best = checked(read_json(self.path), {"value": NUMBER}, str(self.path)).get("value")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the metrics."""
        metrics = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        metrics = {name: value for name, value in metrics.items() if name.startswith("val/")}
        if self.monitor not in trainer.callback_metrics:
            self._write(trainer, {"logged": list(metrics)})
            raise UserError(f"{self.monitor!r} is not logged; there are {', '.join(metrics) or 'no val metrics'}.")
        if trainer.sanity_checking:
            return
        value, epoch = float(trainer.callback_metrics[self.monitor]), trainer.current_epoch + 1
        if value == value and (self.best is None or (value > self.best if self.mode == "max" else value < self.best)):
            self.best = value
            self._write(trainer, {"value": value, "epoch": epoch, "metrics": metrics})
        stop = self.channel is not None and self.channel.ask(epoch, value)
        if trainer.strategy.reduce_boolean_decision(stop, all=False):
            self.reason = f"the search ended the trial: {self.monitor} {value:.4f} is behind others at this epoch"
            trainer.should_stop = True

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Tell a divergence, which is a result, from an accident."""
        if isinstance(exception, NonFiniteLossError):
            self._write(trainer, {"diverged": str(exception)})

    def _write(self, trainer: Trainer, content: dict[str, Any]) -> None:
        if trainer.is_global_zero:
            write_json(self.path, content)


class TrialCLI(EuroSATCLI):
    """The command line, with a run folder that is given and a callback that reports."""

    folder: Path
    channel: Channel | None = None
    patience = 120.0  # for a process of the same trial whose search died, to notice

    def new_folder(self) -> Path:
        """The folder of the trial."""
        return self.folder

    def _callbacks(self, folder: Path, config: Any, execution: Any) -> list[Any]:
        callbacks = super()._callbacks(folder, config, execution)
        overlay = yaml.safe_load((folder / OVERLAY).read_text(encoding="utf-8"))
        for text in (callback for callback in callbacks if isinstance(callback, TensorBoardText)):
            # Whatever varies is a column of TensorBoard's table of trials.
            text.settings += tuple(f"{key}." for key in plain_settings(overlay, ("",)))
        kept = config.checkpoint
        return [*callbacks, ReportToSearch(folder, kept.monitor, kept.mode, self.channel)]


def run(arguments: list[str]) -> None:
    """Train.

    Args:
        arguments: the folder of the trial, then those of ``fit``.
    """
    TrialCLI.folder = Path(arguments[0])
    if int(os.environ.get("LOCAL_RANK", 0)) != 0:  # another process of a training that has several
        return dispatch.run(["fit", *arguments[1:]], TrialCLI)
    TrialCLI.channel = Channel()
    dispatch.run(["fit", *arguments[1:]], TrialCLI)


if __name__ == "__main__":
    run(sys.argv[1:])
