"""Checkpoints: written whole or not at all, read without ever executing what they hold."""

import shutil
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from eurosat_cls.checkpoints.portable import is_portable, read_portable
from eurosat_cls.checkpoints.tensor_limits import check_form
from eurosat_cls.checkpoints.tensors import SETTINGS, Damaged, read_plain
from eurosat_cls.config.former_names import present_checkpoint
from eurosat_cls.config.limits import LARGEST, check_size
from eurosat_cls.config.roles import check_settings
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import created, writing
from eurosat_cls.utils.network import check_local


def read_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Load a checkpoint with ``weights_only=True``, or an exported model in the form of one.

    Raises:
        UserError: when the file is missing, truncated, no checkpoint, or holds pickled code or odd tensors.
    """
    try:
        loaded = read_portable(path) if is_portable(path) else read_plain(path, map_location)
    except Damaged as error:
        whole = _newest_whole(Path(path))
        way_out = f" The newest one beside it that is whole is {whole}." if whole else ""
        raise UserError(f"{error}{way_out}") from None
    if not isinstance(loaded, dict) or not isinstance(loaded.get("state_dict"), dict):
        raise UserError(f"{path}: not a checkpoint of a training run (no state_dict in it).")
    if not isinstance(loaded.get("hyper_parameters", {}), Mapping):
        raise UserError(f"{path}: its settings (hyper_parameters) are no mapping.")
    check_size([loaded.get(key) for key in SETTINGS], str(path))
    check_size([value for key, value in loaded.items() if key != "state_dict"], str(path), 10 * LARGEST)
    check_form(loaded, str(path))
    return present_checkpoint(loaded)


class SafeCheckpointIO(TorchCheckpointIO):
    """Save through a file beside the target, read back, flushed, renamed; load plain data and weights only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write ``checkpoint``; an earlier file of that name stays whole until the new one is.

        Raises:
            UserError: when the disk is full or the folder cannot be written.
        """
        path = Path(path)
        kept = f"The one before it is whole: continue from {path}." if path.is_file() else ""
        with writing(path, kept), created(path) as stream:
            try:
                torch.save(checkpoint, stream)
                stream.flush()
                _check_whole(stream)
            except (RuntimeError, zipfile.BadZipFile) as error:
                # torch tells of a full disk by a place in its own sources, raised while the system's was handled.
                raise error.__context__ if isinstance(error.__context__, OSError) else OSError(str(error)) from None

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint; ``weights_only`` is always taken as True.

        Raises:
            UserError: as :func:`read_checkpoint`, and when its settings name what no checkpoint may name.
        """
        checkpoint = read_checkpoint(path, map_location or "cpu")
        # A trainer has its model already: what only its own program knows is not imported for it.
        check_settings(checkpoint.get("hyper_parameters"), str(path), besides=lambda path: True)
        return checkpoint


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


def copy_checkpoint(source: Path, target: Path) -> None:
    """Let ``target`` hold what ``source`` does, in bytes of its own; an earlier file stays whole until then.

    Raises:
        UserError: when the disk is full or the folder cannot be written.
    """
    with writing(target, f"{source} is whole: go on from it."), created(target) as stream:
        with open(source, "rb") as original:
            shutil.copyfileobj(original, stream, 2**20)
        stream.flush()
        try:
            _check_whole(stream)
        except zipfile.BadZipFile as error:
            raise OSError(str(error)) from None


def _newest_whole(damaged: Path) -> Path | None:
    beside = [path for path in damaged.parent.glob("*.ckpt") if path.is_file() and path.name != damaged.name]
    for path in sorted(beside, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        with suppress(OSError, zipfile.BadZipFile), open(path, "rb") as stream:
            _check_whole(stream)
            return path
    return None


def _check_whole(stream: BinaryIO) -> None:
    """Read what was just saved once more: all of its parts, against their checksums.

    Raises:
        zipfile.BadZipFile: when it is not what was written.
    """
    with zipfile.ZipFile(stream) as archive:
        if (damaged := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"{damaged} does not read as it was written")


RUN = "run"  # where RunMetadata keeps what a run was, in its checkpoints


def saved_configuration(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the configuration that a checkpoint keeps; empty where it has none."""
    return _mapping(_mapping(checkpoint, RUN), "config")


def _mapping(of: Any, key: str) -> Mapping[str, Any]:
    found = of.get(key) if isinstance(of, Mapping) else None
    return found if isinstance(found, Mapping) else {}
