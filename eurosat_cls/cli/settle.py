"""Settle what a configuration leaves open and its own metrics and schedule decide, before anything is built."""

from collections.abc import Iterator, Mapping
from typing import Any

from eurosat_cls.config.jsonargparse_private import import_object
from eurosat_cls.config.tree import Node, Path, located, nearest
from eurosat_cls.models.directions import contradiction, known_mode
from eurosat_cls.models.optimization import interval_of
from eurosat_cls.utils.errors import UserError


def settle(config: Any, tree: Node) -> list[str]:
    """Set the interval of a schedule that is ``auto``, and the direction of every metric that is watched.

    Args:
        config: of a subcommand, as parsed; it is changed.
        tree: the same as it was given, to tell what was written from defaults.

    Returns:
        A line for what has been chosen and a training should know of.

    Raises:
        UserError: for a direction that contradicts its metric.
    """
    model = config.get("model") or {}
    settings = model.get("init_args") or {}
    metrics = _plain(settings.get("metrics"))
    for spec, path, monitor in [*_watchers(config), *_plateau(settings), *_checkpoint(config, model)]:
        known, key = known_mode(monitor, metrics), (*path, "mode")
        written = _written(tree, key)
        if said := contradiction(monitor, known, written):
            raise UserError(f"{located(tree, key)}: {said}")
        if known and written is None and spec["mode"] is not None:
            spec["mode"] = known
    schedule = settings.get("lr_scheduler")
    if not schedule or settings.get("lr_scheduler_interval") != "auto":
        return []
    made = import_object(schedule["class_path"])
    settings["lr_scheduler_interval"] = chosen = interval_of(made)
    return [f"learning-rate schedule: {made.__name__}, advanced after every {chosen} (model.lr_scheduler_interval)"]


def _watchers(config: Any) -> Iterator[tuple[Any, Path, str]]:
    """Callbacks with a metric and a direction: EarlyStopping, StopAtTarget, ModelCheckpoint and such."""
    for number, callback in enumerate((config.get("trainer") or {}).get("callbacks") or []):
        settings = callback.get("init_args") or {}
        if "mode" in settings and isinstance(monitor := settings.get("monitor"), str):
            yield settings, ("trainer", "callbacks", number, "init_args"), monitor


def _plateau(settings: Any) -> Iterator[tuple[Any, Path, str]]:
    schedule = settings.get("lr_scheduler") or {}
    if str(schedule.get("class_path")).endswith("ReduceLROnPlateau"):
        path = ("model", "init_args", "lr_scheduler", "init_args")
        own = schedule["init_args"].get("monitor")  # that of Lightning's subclass
        yield schedule["init_args"], path, settings.get("lr_scheduler_monitor") or own or "val/loss"


def _checkpoint(config: Any, model: Any) -> Iterator[tuple[Any, Path, str]]:
    if checkpoint := config.get("checkpoint"):
        own = getattr(import_object(model["class_path"]), "monitor", "val/loss") if model else "val/loss"
        yield checkpoint, ("checkpoint",), checkpoint["monitor"] or own


def _written(tree: Node, path: Path) -> str | None:
    """What was written at a place, also in a list that was only added to."""
    added = tuple("callbacks+" if part == "callbacks" else part for part in path)
    for place in (path, added):
        node, rest = nearest(tree, place)
        if not rest:
            return None if node.value in (None, "null") else str(node.value)
    return None


def _plain(metrics: Any) -> Mapping[str, Any]:
    return {name: {"class_path": spec["class_path"]} for name, spec in (metrics or {}).items()}
