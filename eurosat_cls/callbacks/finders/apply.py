"""Put a learning rate that was found where a training takes it from."""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import yaml
from torch.optim import Optimizer

from eurosat_cls.config.factories import describe, target_of
from eurosat_cls.models.base import PatchModule

_HEAD = "# Overlay: {what}.\n#   python -m eurosat_cls fit --config YOURS.yaml --config {name}\n"


def as_overlay(settings: dict[str, Any], what: str, name: str) -> str:
    """Write settings as a small YAML file with a line that says what they are."""
    return _HEAD.format(what=what, name=name) + yaml.safe_dump(settings, sort_keys=False)


def rate_settings(module: PatchModule, optimizer: Optimizer, learning_rate: float, highest: float) -> dict[str, Any]:
    """The part of a configuration that trains a module with these learning rates, as plain data.

    A schedule that has a ``max_lr`` gets the ``highest``, which then is all that matters. The ``optimizer`` is what the
    module builds, for one without a configured optimizer.
    """
    factory = module.optimizer_factory
    given = {} if factory is not None else _arguments(optimizer)
    settings = {"optimizer": _part(factory or type(optimizer), {**given, "lr": learning_rate})}
    if module.scheduler_factory is not None and rises(module):
        settings["lr_scheduler"] = _part(module.scheduler_factory, {"max_lr": highest})
    return {"model": {"init_args": settings}}


def set_rates(module: PatchModule, optimizer: Optimizer, learning_rate: float, highest: float) -> None:
    """Let a module build its optimizer and schedule with these learning rates from now on.

    The arguments are those of :func:`rate_settings`, which says the same in YAML.
    """
    factory: Callable[..., Any] | None = module.optimizer_factory
    if factory is None:
        factory = functools.partial(type(optimizer), **_arguments(optimizer))
    changed: dict[str, Callable[..., Any]] = {"optimizer": functools.partial(factory, lr=learning_rate)}
    module.optimizer_factory = changed["optimizer"]
    schedule: Callable[..., Any] | None = module.scheduler_factory
    if schedule is not None and rises(module):
        changed["lr_scheduler"] = module.scheduler_factory = functools.partial(schedule, max_lr=highest)
    module.hparams.update({key: describe(value) for key, value in changed.items() if key in module.hparams})


def rises(module: PatchModule) -> bool:
    """Whether the schedule rises to a learning rate that is set by ``max_lr``."""
    factory = module.scheduler_factory
    return factory is not None and "max_lr" in inspect.signature(target_of(factory)).parameters


def _arguments(optimizer: Optimizer) -> dict[str, Any]:
    """Settings of an optimizer that are not its class's own."""
    usual = inspect.signature(type(optimizer)).parameters
    return {k: v for k, v in optimizer.defaults.items() if k in usual and v != usual[k].default}


def _part(factory: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    target = target_of(factory)
    return {"class_path": _import_path(target), "init_args": arguments}


def _import_path(target: Any) -> str:
    """The shortest path that a class can be imported by, as people write it: ``torch.optim.SGD``."""
    parts, name = target.__module__.split("."), target.__qualname__
    for end in range(1, len(parts) + 1):
        place = ".".join(parts[:end])
        if getattr(sys.modules.get(place), name, None) is target:
            return f"{place}.{name}"
    return f"{target.__module__}.{name}"
