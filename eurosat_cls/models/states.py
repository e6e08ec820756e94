"""States are data: what a checkpoint says of callbacks and loops is taken as far as those of the training expect it.

- A state has the names and the kinds of values that its callback or loop has itself; what else is in it is left out.
- Counts of loops are whole numbers that a training can reach.
- Of the state of an optimizer or a schedule that is listed numbers are taken, in the form of those that it has now; a
  step from it is tried before one is taken.
- A text that is, or could be, the path of something is taken by its name, for a checkpoint in the run's folder, and is
  empty where no checkpoint of that name is there. So a run can be moved, and no state says what is removed elsewhere.
"""

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.optim import Optimizer

from eurosat_cls.checkpoints.runs import run_folder_of
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.text import printable

MOST = 10**9  # epochs, batches and steps
_ANY = object()  # of what nothing is expected
_SCALARS, _HOLDERS = (bool, int, float, Tensor, type(None)), (Mapping, list, tuple)
_LOOPS = ("fit_loop", "validate_loop", "test_loop", "predict_loop")
_LISTED = ("torch.optim.", "lightning.pytorch.", "eurosat_cls.")  # modules; others that are trusted get what they keep


def settle_states(trainer: Trainer, checkpoint: dict[str, Any]) -> None:
    """Replace the states of callbacks and loops in a checkpoint by what is to be taken of them.

    Args:
        trainer: of a training that is to go on.
        checkpoint: changed in place.

    Raises:
        UserError: for a state of another form, naming it.
    """
    path = Path(str(trainer.ckpt_path))
    found = _mapping(checkpoint, "callbacks", path)
    states: dict[Any, Any] = {key: {} for key in found}
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        state = found.get(callback.state_key, found.get(type(callback)))
        if state:
            own = callback.state_dict()
            where = f"{path}: the state of {type(callback).__name__}"
            states[callback.state_key] = _settled(state, own, where, _folders(own, run_folder_of(path)))
    checkpoint["callbacks"] = states
    loops = _mapping(checkpoint, "loops", path)
    for name in _LOOPS:
        own = getattr(trainer, name).state_dict()
        where = f"{path}: the state of {name}"
        loops[name] = _settled(loops.get(name, own), own, where, [])
        _check_counts(loops[name], own, where)
    plugin = trainer.precision_plugin
    if (name := type(plugin).__qualname__) in checkpoint:
        checkpoint[name] = _numbers(checkpoint[name], plugin.state_dict(), f"{path}: the state of {name}")
    checkpoint.pop("native_amp_scaling_state", None)  # the same, of versions before ours


def settle_optimizers(trainer: Trainer, checkpoint: dict[str, Any]) -> None:
    """Do so for the states of optimizers and schedules, when these have been built.

    Args:
        trainer: as in :func:`settle_states`.
        checkpoint: changed in place.

    Raises:
        UserError: for a state of another form, and for one that its optimizer can take no step from.
    """
    built: dict[str, list[Any]] = {
        "optimizer_states": trainer.optimizers,
        "lr_schedulers": [config.scheduler for config in trainer.lr_scheduler_configs],
    }
    for key, found in built.items():
        states = checkpoint[key]
        if not isinstance(states, list) or len(states) not in (0, len(found)):
            raise UserError(f"{trainer.ckpt_path}: its {key} are no states of {len(found)}.")
        for number, (state, one) in enumerate(zip(states, found, strict=False)):
            where = f"{trainer.ckpt_path}: the state of {type(one).__name__}"
            if not type(one).__module__.startswith(_LISTED):
                continue
            if isinstance(one, Optimizer):
                states[number] = _of_optimizer(state, one.state_dict(), where)
                _try_step(one, states[number])
            else:
                states[number] = _numbers(state, one.state_dict(), where)


def _of_optimizer(state: Any, own: dict[str, Any], where: str) -> dict[str, Any]:
    groups, by_parameter = (state.get(key) if isinstance(state, Mapping) else None for key in ("param_groups", "state"))
    numbers = [group["params"] for group in own["param_groups"]]
    if not isinstance(groups, list) or not isinstance(by_parameter, Mapping) or len(groups) != len(numbers):
        raise UserError(f"{where}: is damaged (its groups are not the {len(numbers)} of this one).")
    for group, parameters in zip(groups, numbers, strict=True):
        listed = group.get("params") if isinstance(group, Mapping) else None
        if not isinstance(listed, list) or not all(type(n) is int for n in listed) or listed != parameters:
            raise UserError(f"{where}: is damaged (a group is not of {len(parameters)} parameters).")
    of_each = {n: by_parameter[n] for group in numbers for n in group if n in by_parameter}
    if not all(isinstance(one, Mapping) for one in of_each.values()):
        raise UserError(f"{where}: is damaged (that of a parameter is no mapping).")
    return {"state": of_each, "param_groups": _numbers(groups, own["param_groups"], where)}


def _numbers(value: Any, own: Any, where: str, name: str = "") -> Any:
    """Return what there is now, with the numbers of a state; flags, texts and what a state lacks are as now."""
    if own is None or isinstance(own, bool | str):
        return own
    if isinstance(own, Mapping) and isinstance(value, Mapping):
        made: Any = copy.copy(own)
        made.update({key: _numbers(value[key], item, where, str(key)) for key, item in own.items() if key in value})
        return made
    if isinstance(own, list | tuple) and isinstance(value, list | tuple):
        pairs = zip(value, own, strict=True) if len(value) == len(own) else zip(own, own, strict=True)
        return type(own)(_numbers(*pair, where, name) for pair in pairs)
    if isinstance(value, Tensor) and value.numel() == 1 and not isinstance(own, Tensor):
        value = value.item()
    whole = type(own) is int and name in ("last_epoch", "_step_count")  # others may be set to fractions
    fits = value.shape == own.shape if isinstance(value, Tensor) and isinstance(own, Tensor) else False
    if not fits and (type(value) not in ((int,) if whole else (int, float)) or not isinstance(own, int | float)):
        raise UserError(f"{where}: is damaged ({name} is {repr(value)[:40]}).")
    if whole:
        _check_counts({name: value}, {}, where)
    return value


def _try_step(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Take a step from a state, and take it back: what it lacks, or has of another shape, would end the training."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    kept = [(weights[number], weights[number].detach().clone()) for number in state["state"]]

    def closure() -> Any:
        for weight, _ in kept:
            weight.grad = torch.ones_like(weight)
        return torch.zeros(())

    try:
        optimizer.load_state_dict(copy.deepcopy(state))
        optimizer.step(closure)
    finally:
        for weight, before in kept:
            weight.grad = None
            weight.data.copy_(before)


def _mapping(checkpoint: dict[str, Any], key: str, path: Path) -> dict[Any, Any]:
    found = checkpoint.get(key) or {}
    if not isinstance(found, dict):
        raise UserError(f"{path}: its {key} are no states.")
    return found


def _settled(value: Any, own: Any, where: str, folders: list[str], name: str = "") -> Any:
    """Return a value as far as it is of the kind of ``own``, which the callback or loop has there now."""
    if name == "stopping_reason_message":  # a sentence that is printed, and names a metric with a slash
        return None if value is None else printable(str(value))[:500]
    if not isinstance(value, _kinds(own)):
        raise UserError(f"{where}: is damaged ({name} is a {type(value).__name__}).")
    if isinstance(value, str):
        return value if value == own else _by_name(value, folders, name == "dirpath")
    if isinstance(value, Mapping) and isinstance(own, Mapping) and own:
        return {key: _settled(value.get(key, item), item, where, folders, str(key)) for key, item in own.items()}
    if isinstance(value, Mapping):
        inside = {key: _settled(item, _ANY, where, folders, str(key)) for key, item in value.items()}
        named = {_by_name(key, folders) if isinstance(key, str) else key: item for key, item in inside.items()}
        return {key: item for key, item in named.items() if key != ""}
    if isinstance(value, list | tuple):
        return type(value)(_settled(item, _ANY, where, folders, name) for item in value)
    return value


def _kinds(own: Any) -> tuple[type, ...]:
    """The kinds of values that may stand where a state now has ``own``; what is None yet may become a list."""
    if own is _ANY:
        return (*_SCALARS, *_HOLDERS, str)
    if isinstance(own, Mapping):
        return (Mapping,)
    if isinstance(own, str):
        return (str, type(None))
    return _SCALARS if isinstance(own, int | float | Tensor) else (*_SCALARS, list, tuple)


def _folders(own: Any, run: Path | None) -> list[str]:
    """The folders of checkpoints in a run, written as a callback writes them that keeps some there."""
    if run is None:
        return []
    dirpath = own.get("dirpath") if isinstance(own, Mapping) else None
    if not isinstance(dirpath, str):
        return [str(run / "checkpoints")]
    return [dirpath] if run in (place := Path(dirpath).resolve(), *place.parents) else []


def _by_name(text: str, folders: list[str], is_folder: bool = False) -> str:
    """Return a text that can be no path as it is, and a path as that of the checkpoint of its name in the run."""
    if not text or not (set(text) & {"/", os.sep, "\0"} or text.startswith((".", "~")) or os.path.lexists(text)):
        return text
    name = Path(text).name
    if is_folder:
        return next((folder for folder in folders if Path(folder).name == name), "")
    places = [os.path.join(folder, name) for folder in folders if name.endswith(".ckpt") and "\0" not in name]
    return next((place for place in places if os.path.isfile(place) and not os.path.islink(place)), "")


def _check_counts(value: Any, own: Any, where: str) -> None:
    for key, item in value.items() if isinstance(value, Mapping) else ():
        now = own.get(key) if isinstance(own, Mapping) else None
        _check_counts(item, now, where)
        beyond = isinstance(item, int | float) and not 0 <= item <= MOST
        if beyond or (type(now) is int and type(item) is not int):
            raise UserError(f"{where}: is damaged ({key} is {repr(item)[:40]}).")
