"""Patches of the data that a run was trained on, where they are on this machine."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from lightning.pytorch import LightningDataModule

from eurosat_cls.checkpoints.files import saved_configuration
from eurosat_cls.config.roles import resolve
from eurosat_cls.config.trust import trusting
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.data.splits import SplitMethod
from eurosat_cls.data.splits.check import split_of
from eurosat_cls.data.table import Table
from eurosat_cls.utils.errors import UserError


class Patches(NamedTuple):
    """Raw patches ``[n, C, H, W]`` and their labels ``[n]`` or ``[n, K]``."""

    images: np.ndarray
    labels: np.ndarray


def patches_of(
    checkpoint: Mapping[str, Any], where: str, part: Literal["train", "test"], count: int, trust: Sequence[str] = ()
) -> Patches:
    """Return up to ``count`` patches of a run's split, evenly spread over it. Nothing is downloaded.

    Args:
        checkpoint: of the run.
        where: its name, for errors.
        part: of the split.
        count: how many at most.
        trust: packages whose classes its configuration may name.

    Raises:
        UserError: when the data are not there, have changed, or cannot be read.
    """
    saved, spec = split_of(checkpoint), saved_configuration(checkpoint).get("data")
    source = Path(str(saved.get("source", "")))
    if not isinstance(spec, Mapping) or "class_path" not in spec or not (source.exists() or str(source) == "demo data"):
        raise UserError(f"{where}: the data of its training are not on this machine ({source}).")
    with trusting(trust):
        kind = resolve(str(spec["class_path"]), where, LightningDataModule)
        arguments = {
            key: _made(value, where) for key, value in (spec.get("init_args") or {}).items() if key != "augment"
        }
    if source.exists() and "root" in inspect.signature(kind).parameters and not issubclass(kind, Table):
        arguments["root"] = str(source)  # it was given relative to another folder, or not at all
    data = kind(**arguments)
    if not isinstance(data, PatchDataModule) or data.store.fingerprint != saved.get("fingerprint"):
        raise UserError(f"{where}: {source} has changed since its training.")
    rows = getattr(data.split, part)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))]
    return Patches(data.read(rows), np.asarray(data.store.labels)[rows])


def _made(value: Any, where: str) -> Any:
    """Build the split methods that ``class_path`` and ``init_args`` describe: nothing else belongs in there."""
    if isinstance(value, Mapping) and "class_path" in value:
        return resolve(str(value["class_path"]), where, SplitMethod)(**_made(value.get("init_args") or {}, where))
    if isinstance(value, Mapping):
        return {key: _made(item, where) for key, item in value.items()}
    return [_made(item, where) for item in value] if isinstance(value, list) else value
