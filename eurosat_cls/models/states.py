"""States are data: what a checkpoint says of callbacks and loops is taken as far as those of the training expect it.

- A state has the names and the kinds of values that its callback or loop has itself; what else is in it is left out.
- Counts of loops are whole numbers that a training can reach.
- A text that is, or could be, the path of something is taken by its name, for a checkpoint in the run's folder, and is
  empty where no checkpoint of that name is there. So a run can be moved, and no state says what is removed elsewhere.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from torch import Tensor

from eurosat_cls.checkpoints.runs import run_folder_of
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.text import printable

MOST = 10**9  # epochs, batches and steps
_ANY = object()  # of what nothing is expected
_SCALARS, _HOLDERS = (bool, int, float, Tensor, type(None)), (Mapping, list, tuple)
_LOOPS = ("fit_loop", "validate_loop", "test_loop", "predict_loop")


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
        if name in loops:
            where = f"{path}: the state of {name}"
            loops[name] = _settled(loops[name], getattr(trainer, name).state_dict(), where, [])
            _check_counts(loops[name], where)


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


def _check_counts(value: Any, where: str) -> None:
    for key, item in value.items() if isinstance(value, Mapping) else ():
        _check_counts(item, where)
        if isinstance(item, int | float) and not 0 <= item <= MOST:
            raise UserError(f"{where}: is damaged ({key} is {item:g}).")
