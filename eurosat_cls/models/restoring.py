"""When a training goes on, what the user says now counts for more than what the checkpoint was trained with.

A checkpoint holds the settings of the optimizer and the schedule, and of some callbacks, beside their state, and
Lightning restores both. Here settings that were changed are put back after that; with unchanged settings nothing is
touched. Differences are taken between the hyper-parameters in the checkpoint and the model's own.
"""

import sys
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

from lightning.pytorch.callbacks import EarlyStopping
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from eurosat_cls.models.optimization import OptimizedModule
from eurosat_cls.models.resume import within_epoch
from eurosat_cls.models.states import settle_states
from eurosat_cls.utils.errors import UserError

SCHEDULE = ("lr_scheduler", "lr_scheduler_interval", "total_steps")


class Restored(NamedTuple):
    """What is known of the checkpoint when its optimizer and schedule have been restored.

    Attributes:
        settings: its hyper-parameters.
        steps_per_epoch: optimizer steps of its epochs; None where the checkpoint is of the middle of one.
        schedule: whether the state of its schedule fits the present one.
        plateau_metric: what a plateau scheduler has not been told yet.
    """

    settings: Mapping[str, Any]
    steps_per_epoch: float | None
    schedule: bool
    plateau_metric: float | None


def keep_plateau_metric(module: OptimizedModule, checkpoint: dict[str, Any]) -> None:
    """Keep an epoch's metric for a plateau scheduler, to hand it over after a resume.

    Checkpoints are written before Lightning hands it over, and Lightning leaves that out after a resume.
    """
    if isinstance(module.lr_schedulers(), ReduceLROnPlateau) and not within_epoch(module.trainer):
        metric = module.trainer.callback_metrics.get(module.plateau_monitor)
        checkpoint["plateau_metric"] = None if metric is None else float(metric)


def before_restoring(module: OptimizedModule, checkpoint: dict[str, Any]) -> Restored:
    """Leave out of a checkpoint the state that does not fit what is configured now, and say so.

    Args:
        module: of a training that is to go on.
        checkpoint: changed in place.

    Raises:
        UserError: for states of another form, and when its epoch is beyond the last one of the training.
    """
    if missing := [key for key in ("loops", "optimizer_states", "lr_schedulers") if key not in checkpoint]:
        path = module.trainer.ckpt_path
        raise UserError(f"{path}: has no {missing[0]} to go on from; take its weights by --model.init_args.weights.")
    settle_states(module.trainer, checkpoint)
    saved, epoch = checkpoint.get("hyper_parameters", {}), checkpoint.get("epoch", 0)
    last = module.trainer.max_epochs
    if last is not None and 0 <= last <= epoch:
        raise UserError(f"The checkpoint is of epoch {epoch + 1}, and trainer.max_epochs is {last}: raise it to go on.")
    ours = module.hparams
    anew = [f"model.{key}" for key in ("optimizer", "lr_multipliers") if _kind(saved, key) != _kind(ours, key)]
    if anew:
        print(f"{' and '.join(anew)} changed: the optimizer's momentum starts anew", file=sys.stderr)
        checkpoint["optimizer_states"] = []
    same = _kind(saved, "lr_scheduler") == _kind(ours, "lr_scheduler")
    if not same:
        checkpoint["lr_schedulers"] = []
    _keep_patience(module, checkpoint.get("callbacks", {}))
    batches = checkpoint.get("loops", {}).get("fit_loop", {}).get("epoch_loop.batch_progress", {})
    whole = batches.get("is_last_batch", False)
    steps_per_epoch = checkpoint.get("global_step", 0) / (epoch + 1) if whole else None
    return Restored(saved, steps_per_epoch, same, checkpoint.get("plateau_metric"))


def after_restoring(module: OptimizedModule, restored: Restored) -> None:
    """Put changed settings of optimizer and schedule in force.

    Weights, momentum and the position in the training stay. A changed schedule is where it would be had it been
    configured so from the beginning; one that waits for a plateau goes on with its new settings.
    """
    rates = _changed(restored.settings, module.hparams, ("optimizer", "lr_multipliers"))
    schedule: Any = module.lr_schedulers()
    if isinstance(schedule, ReduceLROnPlateau) and restored.plateau_metric is not None:
        schedule.step(restored.plateau_metric)
    planned = module.planned_steps() if module.accepts_total_steps() else None
    theirs = getattr(schedule, "total_steps", None) if restored.schedule else None
    longer = planned is not None and theirs is not None and theirs != planned
    moved = longer or _changed(restored.settings, module.hparams, SCHEDULE)
    if not rates and not moved:
        return
    made = module.configure_optimizers()
    fresh = made["optimizer"] if isinstance(made, dict) else made
    if isinstance(schedule, ReduceLROnPlateau):
        _set_plateau(module, schedule, restored)
        if rates:
            _copy_settings(fresh, module.optimizers(use_pl_optimizer=False))  # type: ignore[arg-type]
        return
    if schedule is not None:
        scheduler = made["lr_scheduler"]["scheduler"]
        steps = _position(module, restored, schedule.last_epoch)
        if longer:
            print(f"learning-rate schedule: {planned} steps instead of {theirs}, from step {steps}", file=sys.stderr)
        _advance(scheduler, steps)
        schedule.load_state_dict(scheduler.state_dict())
    _copy_settings(fresh, module.optimizers(use_pl_optimizer=False))  # type: ignore[arg-type]


def _position(module: OptimizedModule, restored: Restored, steps: int) -> int:
    """Steps that the schedule has behind it, in steps of the present size."""
    if module.lr_scheduler_interval == "epoch":
        return int(module.trainer.current_epoch)
    if not restored.schedule:
        steps = module.trainer.global_step
    epochs = module.trainer.max_epochs or -1
    if restored.steps_per_epoch and epochs > 0 and module.total_steps is None and module.accepts_total_steps():
        return round(steps * module.planned_steps() / epochs / restored.steps_per_epoch)
    return steps


def _advance(scheduler: Any, steps: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the optimizer has not been stepped
        try:
            for _ in range(steps):
                scheduler.step()
        except ValueError as error:
            raise UserError(f"The learning-rate schedule ends before the checkpoint's step {steps}: {error}") from error


def _copy_settings(source: Optimizer, target: Optimizer) -> None:
    for ours, theirs in zip(source.param_groups, target.param_groups, strict=True):
        theirs.update({key: value for key, value in ours.items() if key != "params"})


def _set_plateau(module: OptimizedModule, schedule: ReduceLROnPlateau, restored: Restored) -> None:
    given = _arguments(module.hparams, "lr_scheduler")
    before = _arguments(restored.settings, "lr_scheduler")
    for name, value in given.items():
        if value != before.get(name) and hasattr(schedule, name):
            setattr(schedule, name, value)


def _keep_patience(module: OptimizedModule, states: Mapping[str, Any]) -> None:
    for callback in module.trainer.early_stopping_callbacks:
        if isinstance(callback, EarlyStopping) and callback.state_key in states:
            states[callback.state_key]["patience"] = callback.patience


def _changed(theirs: Mapping[str, Any], ours: Mapping[str, Any], keys: tuple[str, ...]) -> bool:
    return any(theirs.get(key) != ours.get(key) for key in keys)


def _kind(settings: Mapping[str, Any], key: str) -> Any:
    """What decides on the form of the state that an optimizer or a schedule keeps."""
    value = settings.get(key)
    if key == "lr_multipliers":
        return value or {}
    if value is None:
        return "torch.optim.sgd.SGD" if key == "optimizer" else None
    return value.get("class_path") if isinstance(value, Mapping) else value


def _arguments(settings: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    spec = settings.get(key)
    found = spec.get("init_args") if isinstance(spec, Mapping) else None
    return found if isinstance(found, Mapping) else {}
