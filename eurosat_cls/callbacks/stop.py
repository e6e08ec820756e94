"""End a training early, and say why."""

import sys
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, Timer

from eurosat_cls.callbacks.run_folder import run_folder
from eurosat_cls.metrics import Mode, mode_of
from eurosat_cls.models.directions import contradiction
from eurosat_cls.models.optimization import OptimizedModule
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_json, writing
from eurosat_cls.utils.limits import NUMBER, checked


class StopAtTarget(Callback):
    """End the training when a metric of the validation reaches a value.

    A training that is continued after it reached the value ends at once, before its first step; give another value to
    train on.

    Args:
        monitor: logged name of the metric.
        value: what it is to reach.
        mode: whether it is reached from below (``max``) or from above (``min``); when None as the metric says, else by
            its name: from above for losses and errors.

    Raises:
        UserError: for a value that is no number; later for a mode that contradicts the metric, and at the first
            validation, for a metric that is not logged.
    """

    def __init__(
        self, monitor: str = "val/accuracy", value: float = 0.98, mode: Literal["max", "min"] | None = None
    ) -> None:
        if value != value:
            raise UserError("StopAtTarget: value is not a number.")
        self.monitor, self.value, self.given, self.mode = monitor, value, mode, mode or mode_of(monitor)
        self.best: float | None = None
        self.reason: str | None = None

    @property
    def state_key(self) -> str:
        """Name under which the state is kept in checkpoints."""
        return self._generate_state_key(monitor=self.monitor, mode=self.mode)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Settle a mode that was None."""
        self.mode = settled_mode(pl_module, self.monitor, self.given or "", "StopAtTarget")

    def state_dict(self) -> dict[str, Any]:
        """The best metric so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from an earlier best."""
        self.best = checked(state_dict, {"best": NUMBER}, "StopAtTarget").get("best")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a training that had reached its target before."""
        if self.best is not None and self._reaches(self.best):
            self._stop(trainer, f"{self.monitor} had reached {self.best:.4f} before (target {self.value:g})")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the metric."""
        if trainer.state.fn != "fit":
            return
        check_logged(trainer, self.monitor, "StopAtTarget")
        if trainer.sanity_checking:
            return
        metric = float(trainer.callback_metrics[self.monitor])
        if self.best is None or (metric > self.best if self.mode == "max" else metric < self.best):
            self.best = metric
        if trainer.strategy.reduce_boolean_decision(self._reaches(metric), all=False):
            self._stop(trainer, f"{self.monitor} reached {metric:.4f} (target {self.value:g})")

    def _reaches(self, metric: float) -> bool:
        return metric >= self.value if self.mode == "max" else metric <= self.value

    def _stop(self, trainer: Trainer, reason: str) -> None:
        self.reason, trainer.should_stop = reason, True


class StopRecord(Callback):
    """When a training ends before its last epoch, print why in a line and write it to ``stopped.json``.

    It knows :class:`StopAtTarget` and whatever else has a ``reason``, Lightning's ``EarlyStopping`` and
    ``trainer.max_time``. A training that runs to its end removes the file of an earlier one that it continues.
    """

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._before = ""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell of a wrong name in ``EarlyStopping`` in a line, as early as possible."""
        for callback in trainer.callbacks if trainer.state.fn == "fit" else []:  # type: ignore[attr-defined]
            if isinstance(callback, EarlyStopping) and callback.strict and not callback.monitor.startswith("train/"):
                check_logged(trainer, callback.monitor, "EarlyStopping")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a training that ``EarlyStopping`` was about to end when it was killed; one that it ended may go on."""
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if not isinstance(callback, EarlyStopping) or not callback.stopped_epoch:
                continue
            killed = callback.wait_count >= callback.patience and not (run_folder(trainer) / "stopped.json").exists()
            if trainer.strategy.broadcast(killed):
                self._before = f"{callback.monitor} had not improved for {callback.patience} validations before"
                trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note which epoch it was."""
        self._epoch = trainer.current_epoch

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print and write."""
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        path = run_folder(trainer) / "stopped.json"
        with writing(path, optional=True):
            if not trainer.should_stop:
                path.unlink(missing_ok=True)
                return
            callback, reason = self._reason(trainer)
            done = trainer.current_epoch if self._epoch is None else self._epoch + 1
            print(f"stopped after epoch {done} of {trainer.max_epochs}: {reason}", file=sys.stderr, flush=True)
            write_json(path, {"reason": reason, "by": callback, "epoch": done, "max_epochs": trainer.max_epochs,
                              "step": trainer.global_step})  # fmt: skip

    def _reason(self, trainer: Trainer) -> tuple[str | None, str]:
        """Which callback ended the training, and why."""
        if self._before:
            return "EarlyStopping", self._before
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            name = type(callback).__name__
            if reason := getattr(callback, "reason", None):  # StopAtTarget's, or a search's
                return name, str(reason)
            message = getattr(callback, "stopping_reason_message", None)
            if isinstance(callback, EarlyStopping) and message and callback.stopped_epoch == self._epoch:
                return name, message.replace(" Signaling Trainer to stop.", "").rstrip(".")
            if isinstance(callback, Timer) and (callback.time_remaining() or 0) <= 0:
                return name, "trainer.max_time is used up"
        return None, "a callback asked for it"


def settled_mode(module: LightningModule, monitor: str, given: str, callback: str) -> Mode:
    """Return whether more or less of a metric is better.

    Args:
        module: whose metric it is.
        monitor: its logged name.
        given: what was asked for; empty for nothing.
        callback: who asks, for the error.

    Raises:
        UserError: for what contradicts the metric.
    """
    known = module.known_mode(monitor) if isinstance(module, OptimizedModule) else None
    if said := contradiction(monitor, known, given or None):
        raise UserError(f"{callback}.mode: {said}")
    return "max" if (given or known or mode_of(monitor)) == "max" else "min"


def check_logged(trainer: Trainer, monitor: str, callback: str) -> None:
    """Refuse the name of a metric that a validation does not log.

    Raises:
        UserError: naming those that are logged.
    """
    if monitor not in trainer.callback_metrics:
        logged = ", ".join(sorted(name for name in trainer.callback_metrics if name.startswith("val/")))
        raise UserError(f"{callback}.monitor: {monitor!r} is not logged; there are {logged or 'no val metrics'}.")
