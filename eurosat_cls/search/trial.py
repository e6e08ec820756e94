"""The process of one trial: a training as ``fit`` makes it, which tells its search of every validation."""

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from filelock import FileLock
from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls.callbacks.guard import NonFiniteLossError
from eurosat_cls.cli import EuroSATCLI, main
from eurosat_cls.errors import UserError
from eurosat_cls.files import write_json

RESULT = "trial.json"  # in the run folder: the best epoch so far, or why there is none
STOP, GO = "stop", "go"
LOCK_SECONDS = 120.0  # for a process of the same trial whose search died, to notice


class Channel:
    """The line to the search: its standard input and output. What else is printed goes to standard error.

    When the search dies the line is cut, and this process ends as after SIGTERM.
    """

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, epoch: int, value: float) -> bool:
        """Tell a figure; return whether the search wants the training to stop."""
        try:
            print(json.dumps({"epoch": epoch, "value": value}), file=self._out, flush=True)
        except OSError:  # the search is gone, and _listen has noticed
            return False
        return self._answers.get() == STOP

    def _listen(self) -> None:
        received = b""
        # Not sys.stdin, whose lock a waiting thread would hold when the interpreter ends.
        while chunk := os.read(0, 256):
            *lines, received = (received + chunk).split(b"\n")
            for line in lines:
                self._answers.put(line.decode())
        self._answers.put(GO)
        os.kill(os.getpid(), signal.SIGTERM)


class ReportToSearch(Callback):
    """Keep the figures of the best epoch in ``trial.json``, tell the search of every epoch, and stop when it says so.

    Args:
        folder: the run folder.
        monitor: the figure that counts.
        mode: ``max`` or ``min``.
        channel: the line to the search; None in all processes of a training but the first.
    """

    def __init__(self, folder: Path, monitor: str, mode: str, channel: Channel | None) -> None:
        self.path, self.monitor, self.mode, self.channel = folder / RESULT, monitor, mode, channel
        self.best: float | None = None
        self.reason: str | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on from the best epoch of a training that is continued."""
        if trainer.ckpt_path and self.path.is_file():
            self.best = json.loads(self.path.read_text(encoding="utf-8")).get("value")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the figures."""
        figures = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        figures = {name: value for name, value in figures.items() if name.startswith("val/")}
        if self.monitor not in trainer.callback_metrics:
            self._write(trainer, {"logged": list(figures)})
            raise UserError(f"{self.monitor!r} is not logged; there are {', '.join(figures) or 'no val figures'}.")
        if trainer.sanity_checking:
            return
        value, epoch = float(trainer.callback_metrics[self.monitor]), trainer.current_epoch + 1
        if value == value and (self.best is None or (value > self.best if self.mode == "max" else value < self.best)):
            self.best = value
            self._write(trainer, {"value": value, "epoch": epoch, "figures": figures})
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

    def new_folder(self) -> Path:
        """The folder of the trial."""
        return self.folder

    def _callbacks(self, folder: Path, config: Any, execution: Any) -> list[Any]:
        kept = config.checkpoint
        return [*super()._callbacks(folder, config, execution),
                ReportToSearch(folder, kept.monitor, kept.mode, self.channel)]  # fmt: skip


def run(arguments: list[str]) -> None:
    """Train.

    Args:
        arguments: the folder of the trial, then those of ``fit``.
    """
    TrialCLI.folder = Path(arguments[0])
    if int(os.environ.get("LOCAL_RANK", 0)) != 0:  # another process of a training that has several
        return main(["fit", *arguments[1:]], TrialCLI)
    TrialCLI.channel = Channel()
    with FileLock(TrialCLI.folder / ".lock", timeout=LOCK_SECONDS):
        main(["fit", *arguments[1:]], TrialCLI)


if __name__ == "__main__":
    run(sys.argv[1:])
