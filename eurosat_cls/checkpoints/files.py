"""Checkpoints: written whole or not at all, read without ever executing what they hold."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import LightningModule
from torch import nn

from eurosat_cls.checkpoints.tensors import read_plain
from eurosat_cls.config.class_checks import check_settings
from eurosat_cls.models.restoring import differences
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import check_local, replacing


def read_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Load a checkpoint with ``weights_only=True``.

    Raises:
        UserError: when the file is missing, truncated, no checkpoint, or holds pickled code.
    """
    loaded = read_plain(path, map_location)
    if not isinstance(loaded, dict) or not isinstance(loaded.get("state_dict"), dict):
        raise UserError(f"{path}: not a checkpoint of a training run (no state_dict in it).")
    if not isinstance(loaded.get("hyper_parameters", {}), Mapping):
        raise UserError(f"{path}: its settings (hyper_parameters) are no mapping.")
    return loaded


class SafeCheckpointIO(TorchCheckpointIO):
    """Save through a file beside the target, read back, flushed, renamed; load plain data and weights only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write ``checkpoint``; an earlier file of that name stays whole until the new one is.

        Raises:
            UserError: when the disk is full or the folder cannot be written.
        """
        path = Path(path)
        try:
            with replacing(path) as part:
                with open(part, "wb") as stream:
                    torch.save(checkpoint, stream)
                _check_whole(part)
        except (OSError, RuntimeError, zipfile.BadZipFile) as error:
            # torch tells of a full disk by a place in its own sources, raised while the system's error was handled.
            cause = error.__context__ if isinstance(error.__context__, OSError) else error
            reason = getattr(cause, "strerror", None) or str(cause)
            kept = f" The one before it is whole: continue from {path}." if path.is_file() else ""
            raise UserError(f"{path}: the checkpoint could not be written ({reason}).{kept}") from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint; ``weights_only`` is always taken as True.

        Raises:
            UserError: as :func:`read_checkpoint`, and when its settings name what no checkpoint may name.
        """
        checkpoint = read_checkpoint(path, map_location or "cpu")
        # A trainer has its model already: what only its own program knows is not imported for it.
        check_settings(checkpoint.get("hyper_parameters"), str(path), besides=lambda path: True)
        return checkpoint


LISTED = 8  # differences that an error names
NO_FORM = ("drop", "pretrained")  # in names of arguments that leave a trained network's form as it is


def checkpoint_in(path: Path) -> Path:
    """Return the best checkpoint of a run folder, else its last one; a file as it is.

    Raises:
        UserError: for a folder without one.
    """
    check_local(path, "checkpoint")
    path = path.expanduser()
    if not path.is_dir():
        return path
    places = [path / folder / f"{name}.ckpt" for folder in ("checkpoints", "") for name in ("best", "last")]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise UserError(f"{path} has no checkpoints/best.ckpt or last.ckpt: name a run folder or a checkpoint.")
    return found


def _check_whole(path: Path) -> None:
    """Read a file that was just saved once more: all of its parts, against their checksums.

    Raises:
        zipfile.BadZipFile: when it is not what was written.
    """
    with zipfile.ZipFile(path) as archive:
        if (damaged := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"{damaged} does not read as it was written")


def check_fits(checkpoint: dict[str, Any], model: LightningModule, path: str | Path) -> None:
    """Refuse a checkpoint of other classes, bands or layers than the model's.

    Raises:
        UserError: naming the first differences.
    """
    theirs = checkpoint.get("hyper_parameters", {})
    for key in ("class_names", "bands"):
        ours = getattr(model, key, None)
        if ours is not None and key in theirs and list(theirs[key]) != list(ours):
            raise UserError(f"{path} was trained on other {key.replace('_', ' ')}: {_differences(theirs[key], ours)}.")
    settings = _setting_differences(theirs, getattr(model, "hparams", {}))
    layers = _layer_differences(checkpoint["state_dict"], model)
    if layers or settings:
        listed = [*settings, *layers]
        more = f"; and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
        shown = "; ".join(listed[:LISTED]) + more
        raise UserError(f"{path} holds another network than the configuration describes: {shown}.")


def _differences(theirs: list[str], ours: list[str]) -> str:
    if sorted(theirs) == sorted(ours):
        return "the same ones in another order"
    gone = [name for name in theirs if name not in ours]
    new = [name for name in ours if name not in theirs]
    parts = [f"the checkpoint has {len(theirs)}, the data {len(ours)}"]
    parts += [f"only in the checkpoint: {', '.join(gone[:4])}"] if gone else []
    parts += [f"only in the data: {', '.join(new[:4])}"] if new else []
    return "; ".join(parts)


def _setting_differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Settings of the network's parts that differ, as far as both are known.

    Layers of the same shapes may still be another network's: of another stride, activation or number of heads.
    """
    parts = [part for part in ("encoder", "decoder", "indices", "task") if part in theirs and part in ours]
    return [line for part in parts for line in _differences_of_form(theirs[part], ours[part], f"model.{part}")]


def _differences_of_form(theirs: Any, ours: Any, key: str) -> list[str]:
    if not (isinstance(theirs, Mapping) and isinstance(ours, Mapping)) or _class_name(theirs) != _class_name(ours):
        return differences(theirs, ours, key)
    shared = [name for name in ours if name in theirs and name != "class_path"]
    formed = [name for name in shared if not any(word in str(name) for word in NO_FORM)]
    return [line for name in formed for line in _differences_of_form(theirs[name], ours[name], f"{key}.{name}")]


def _class_name(spec: Mapping[str, Any]) -> str:
    """The name of a class without the module, which may be another one in another version of its package."""
    return str(spec.get("class_path")).rpartition(".")[2]


def _layer_differences(state: dict[str, Any], model: nn.Module) -> list[str]:
    ours = model.state_dict()
    differences = [
        f"{key} is {list(state[key].shape)} there and {list(ours[key].shape)} here"
        for key in ours
        if key in state and state[key].shape != ours[key].shape
    ]
    needed = ours.keys() - set(getattr(model, "may_lack", ()))
    differences += [f"{key} is missing there" for key in ours if key in needed and key not in state]
    optional = getattr(model, "may_lack", ())
    return differences + [f"{key} exists only there" for key in state if key not in ours and key not in optional]
