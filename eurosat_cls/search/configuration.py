"""The configuration that a search starts from, as the command line itself reads it."""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from eurosat_cls.checkpoints.runs import LOGS
from eurosat_cls.config.differences import flatten
from eurosat_cls.config.trust import trusted_packages
from eurosat_cls.search.space import Params, Space
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import replacing, writing
from eurosat_cls.utils.names import nearest

# Reads arguments of fit, with settings on top of them, into the whole configuration, every default spelt out.
Merge: TypeAlias = Callable[[Sequence[str], Mapping[str, Any] | None], dict[str, Any]]

# Where and with what a training runs may differ between the machines that work on one study.
NOT_SETTINGS = (
    "data.init_args.root", "trainer.accelerator", "trainer.default_root_dir", "trainer.devices",
    "trainer.enable_model_summary", "trainer.enable_progress_bar", "trainer.logger",
)  # fmt: skip


def as_yaml(settings: Mapping[str, Any]) -> str:
    """Write settings as YAML."""
    return yaml.safe_dump(dict(settings), sort_keys=False)


@dataclass(frozen=True)
class Base:
    """What every trial has in common.

    Attributes:
        arguments: of ``fit``, as they were given, and the packages that are trusted.
        config: the whole configuration that they make.
        monitor: the metric that tells how good a trial is.
        mode: ``max`` or ``min``.
        merge: reads arguments of ``fit``, with an overlay on top, into a whole configuration.
    """

    arguments: tuple[str, ...]
    config: dict[str, Any]
    monitor: str
    mode: str
    merge: Merge

    @property
    def evaluating(self) -> list[str]:
        """Arguments of ``test`` before a trial's own configuration, so that classes of the user's are found."""
        files = [part for option, value in pairwise(self.arguments) if option == "--config" for part in (option, value)]
        return [*files, *(part for part in self.arguments if part.startswith(("--config=", "--trust=")))]

    @property
    def root(self) -> Path:
        """The folder of run folders."""
        return Path(self.config["trainer"]["default_root_dir"] or ".") / LOGS

    @property
    def max_epochs(self) -> int:
        """Epochs of a trial, for the warm-up of pruning; 1 where the configuration does not say."""
        epochs = self.config["trainer"]["max_epochs"]
        return epochs if isinstance(epochs, int) and epochs > 0 else 1

    def settings(self) -> dict[str, Any]:
        """What all who work on one study must have in common, by dotted key."""
        return {key: value for key, value in flatten(self.config).items() if not key.startswith(NOT_SETTINGS)}

    def overlay(self, space: Space, params: Params) -> dict[str, Any]:
        """The overlay of a trial: what varies, and the metric that the checkpoints go by."""
        settings = space.overlay(params)
        return {**settings, "checkpoint": {**settings.get("checkpoint", {}), "monitor": self.monitor,
                                           "mode": self.mode}}  # fmt: skip


def read_base(arguments: Sequence[str], metric: str | None, mode: str | None, merge: Merge) -> Base:
    """Read what every trial has in common.

    Args:
        arguments: of ``fit``.
        metric: another metric than the configuration's ``checkpoint.monitor``.
        mode: another direction than ``checkpoint.mode``.
        merge: as in :class:`Base`.

    Raises:
        UserError: for what ``fit`` refuses, and for settings with which trials would not be runs of their own.
    """
    from eurosat_cls.metrics import mode_of  # torch takes seconds to import, and --help needs none of it
    from eurosat_cls.models.directions import contradiction, known_mode

    config = merge(arguments, None)
    for key, why in (
        ("ckpt_path", "every trial starts from the beginning; model.init_args.weights takes weights to start from"),
        ("checkpoint.dirpath", "every trial has checkpoints of its own"),
        ("trainer.fast_dev_run", "it leaves nothing that could be compared"),
    ):
        if flatten(config).get(key):
            raise UserError(f"{key} cannot be set in a search: {why}.")
    given = config["checkpoint"]
    monitor = metric or given["monitor"] or _monitor_of(config["model"]["class_path"])
    # As the checkpoints choose; a mode that the configuration has is about its own metric.
    configured = given["mode"] if monitor == given["monitor"] or not metric else None
    trusted = [f"--trust={package}" for package in trusted_packages()]
    known = known_mode(monitor, config["model"].get("init_args", {}).get("metrics"))
    if said := contradiction(monitor, known, mode or configured):
        raise UserError(f"the mode of a search: {said}")
    return Base((*arguments, *trusted), config, monitor, mode or configured or known or mode_of(monitor), merge)


def _monitor_of(class_path: str) -> str:
    module, _, name = class_path.rpartition(".")
    return str(getattr(getattr(importlib.import_module(module), name), "monitor", "val/loss"))


def check_space(base: Base, space: Space) -> None:
    """Refuse a space that does not fit the configuration.

    Raises:
        UserError: for an unknown key, naming near ones, and for values that the configuration's parser refuses.
    """
    known = flatten(base.config)
    for entry in space.entries:
        _check_key(entry.path, base.config, known)
        for argument in base.arguments:
            if entry.name and argument.partition("=")[0] == f"--{entry.name}":
                print(f"warning: {argument.partition('=')[0]} has no effect: the search varies it", file=sys.stderr)
    for overlay in space.samples():
        try:
            base.merge(base.arguments, overlay)
        except UserError as error:
            tried = ", ".join(f"{key}: {value}" for key, value in flatten(overlay).items())
            raise UserError(f"the configuration refuses a value of the search: {error} (tried {tried[:300]})") from None


def _check_key(path: tuple[str, ...], config: Any, known: Mapping[str, Any]) -> None:
    place = config
    for depth, part in enumerate(path):
        if not isinstance(place, dict) or not place:
            return  # inside of what is not set: for the parser to judge
        if part not in place:
            key = ".".join(path)
            before = ".".join(path[:depth])
            beside = [f"{before}.{name}".strip(".") for name in place]
            near = nearest(key, {*known, *beside}, 3) or beside[:4]
            raise UserError(f"the configuration has no key {key}; did you mean {', '.join(near)}?")
        place = place[part]


def write_best(base: Base, space: Space, params: Params, about: str, path: Path) -> None:
    """Write the whole configuration of a trial, and make sure that the file alone is the same configuration.

    Args:
        base: what every trial has in common.
        space: what varies.
        params: of the trial.
        about: a line for the head of the file.
        path: the file.

    Raises:
        UserError: when the file cannot be written.
    """
    config = base.merge(base.arguments, base.overlay(space, params))
    head = f"# {about}\n#   python -m eurosat_cls fit --config {path}\n"
    with writing(path), replacing(path) as part:
        part.write_text(head + as_yaml(config), encoding="utf-8")
        again = base.merge(["--config", str(part)], None)
    assert again == config, "a configuration that was written is read alike"
