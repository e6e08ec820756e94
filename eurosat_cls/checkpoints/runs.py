"""Run folders: making new ones, and finding the one that a configuration means by "best" or "last"."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from eurosat_cls.config.differences import differences
from eurosat_cls.config.files import read
from eurosat_cls.config.former_names import present_settings
from eurosat_cls.config.places import LOGS as LOGS
from eurosat_cls.config.tree import plain
from eurosat_cls.utils.errors import UserError

# How and where a run executes does not make it another configuration ...
_EXECUTION = {
    "model": {"memory_format", "compile", "test_time_augmentation", "calibrate", "threshold"},
    "data": {"root", "batch_size", "predict_split", "on_error"},
}
# ... and how it was optimised makes it a near one, used when no exact one exists.
_OPTIMISATION = {
    "model": {
        "optimizer",
        "lr_scheduler",
        "lr_scheduler_interval",
        "lr_scheduler_monitor",
        "lr_multipliers",
        "total_steps",
        "metrics",
        "weights",
    },
    "data": {"augment"},
}


def new_run_folder(root: Path) -> Path:
    """Make and return the next ``version_N`` folder under ``root``; two processes never get the same one.

    Raises:
        UserError: when it cannot be made.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        taken = [int(p.name[8:]) for p in root.glob("version_*") if p.name[8:].isdigit()]
        number = max(taken, default=-1) + 1
        while True:
            folder = root / f"version_{number}"
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                number += 1
    except OSError as error:
        raise UserError(f"trainer.default_root_dir: cannot make a folder in {root} ({error.strerror}).") from error


def run_folder_of(checkpoint: Path) -> Path | None:
    """The run folder that a checkpoint lies in, as it is named or as links lead to it; None for one moved elsewhere."""
    for place in (Path(os.path.abspath(checkpoint)), checkpoint.resolve()):  # what is named is looked through for links
        if place.parent.name == "checkpoints" and (place.parent.parent / "config.yaml").is_file():
            return place.parent.parent.resolve()
    return None


def saved_settings(folder: Path) -> dict[str, Any]:
    """Return the configuration of a run, ``config.yaml`` in its folder, with the names of today.

    Raises:
        UserError: when there is none, or it is damaged.
    """
    found: dict[str, Any] = present_settings(plain(read(str(folder / "config.yaml"))))
    return found


def find_checkpoint(which: Literal["best", "last"], root: Path, config: dict[str, Any]) -> tuple[Path, list[str]]:
    """Find the best or last checkpoint of the newest run of ``config`` under ``root``.

    Args:
        which: the checkpoint's name.
        root: the folder that holds the run folders.
        config: the present configuration as plain data, with ``model`` and ``data``.

    Returns:
        The checkpoint, and the settings of optimisation in which its run differs (empty for an exact match).

    Raises:
        UserError: when there is none, naming the newest run and what differs there.
    """
    near: list[tuple[Path, list[str]]] = []
    newest: tuple[Path, list[str]] | None = None
    for folder, saved in _runs(root):
        path = folder / "checkpoints" / f"{which}.ckpt"
        if not path.is_file():
            continue
        differing = _compare(config, saved)
        exact = [d for d in differing if not _is_optimisation(d)]
        if not differing:
            return path, []
        if not exact:
            near.append((path, differing))
        newest = newest or (path, exact)
    if near:
        return near[0]
    hint = (
        f" The newest run, {newest[0]}, differs in {', '.join(newest[1][:3])}; give its path to use it."
        if newest
        else ""
    )
    raise UserError(
        f"No {which!r} checkpoint of this configuration under {root}: run `fit` with it first, or give a path.{hint}"
    )


def _runs(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Run folders with their saved configurations, newest first."""
    found = (path for path in root.glob("**/config.yaml") if path.is_file())
    saved = sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in saved:
        with suppress(UserError):  # one that is damaged is not meant
            yield path.parent, saved_settings(path.parent)


def _compare(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Dotted names of the settings that differ, without those of execution."""
    found = []
    for part, ignored in _EXECUTION.items():
        a, b = (
            {**spec, "init_args": spec.get("init_args") or {}} if isinstance(spec, dict) else spec
            for spec in (theirs.get(part) or {}, ours.get(part) or {})
        )
        differing = differences(a, b)
        keys = {each.key.removeprefix("init_args.").partition(".")[0] for each in differing} - ignored
        found += [part] if keys & {"", "class_path"} else [f"{part}.{key}" for key in sorted(keys)]
    return found


def _is_optimisation(difference: str) -> bool:
    part, _, key = difference.partition(".")
    return key in _OPTIMISATION[part]
