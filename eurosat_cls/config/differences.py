"""In what configurations differ."""

import inspect
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from eurosat_cls.utils.text import printable

LISTED = 10  # differences that are printed


class Difference(NamedTuple):
    """A setting in which two configurations differ.

    Attributes:
        key: its dotted name.
        theirs: value in the checkpoint; None where it is not set.
        ours: value in the present configuration; None where it is not set.
        known: whether it is set in both.
    """

    key: str
    theirs: Any
    ours: Any
    known: bool = True

    def __str__(self) -> str:
        return f"{self.key}: {_short(self.ours)}, not {_short(self.theirs)} as in the checkpoint"


def differences(theirs: Any, ours: Any, key: str = "") -> list[Difference]:
    """List in what a configuration differs from that of a checkpoint or an earlier run.

    Where the class differs that is the one difference, whatever its arguments. An argument that only one of them has
    is taken to be the default in the other: a version from before it was there did what the default does.

    Args:
        theirs: nested plain data of the checkpoint.
        ours: the same of the present configuration.
        key: the name of both.

    Example:
        >>> print(*differences({"lr": 0.1, "nesterov": True}, {"lr": 0.2, "nesterov": True}, "optimizer"))
        optimizer.lr: 0.2, not 0.1 as in the checkpoint
        >>> before = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}
        >>> now = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1, "nesterov": False, "momentum": 0.9}}
        >>> import torch
        >>> print(*differences(before, now, "optimizer"))
        optimizer.init_args.momentum: 0.9, not 0 as in the checkpoint
    """
    if theirs == ours:
        return []
    if not (isinstance(theirs, Mapping) and isinstance(ours, Mapping)) or class_name(theirs) != class_name(ours):
        return [Difference(key, theirs, ours)]
    prefix = f"{key}." if key else ""
    theirs, ours = _with_defaults(theirs, ours), _with_defaults(ours, theirs)
    found = [
        (each, name in theirs and name in ours)
        for name in {**ours, **theirs}
        for each in differences(theirs.get(name), ours.get(name), f"{prefix}{name}")
    ]
    return [each if known else each._replace(known=False) for each, known in found]


def _with_defaults(given: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a class with the defaults of those arguments that only the other settings have."""
    arguments, others = given.get("init_args") or {}, other.get("init_args") or {}
    missing = others.keys() - arguments.keys() if isinstance(arguments, Mapping) and isinstance(others, Mapping) else ()
    if not missing or not class_name(given):
        return given
    module, _, name = str(given["class_path"]).rpartition(".")
    found = getattr(sys.modules.get(module), name, None)  # a parsed configuration has imported it
    if not inspect.isclass(found):
        return given
    known = inspect.signature(found).parameters
    defaults = {name: known[name].default for name in missing if name in known}
    plain = {key: value for key, value in defaults.items() if value is not inspect.Parameter.empty}
    listed = {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}
    return {**given, "init_args": {**listed, **arguments}}


def flatten(value: Any, key: str = "", lists: bool = False) -> dict[str, Any]:
    """Return nested settings by dotted key; lists stay whole, unless those of mappings shall be numbered.

    Example:
        >>> flatten({"trainer": {"max_epochs": 3, "callbacks": []}})
        {'trainer.max_epochs': 3, 'trainer.callbacks': []}
        >>> flatten({"augment": [{"pixels": 4}]}, lists=True)
        {'augment[0].pixels': 4}
    """
    if isinstance(value, dict) and value:
        inside = {f"{key}.{name}" if key else str(name): item for name, item in value.items()}
    elif lists and isinstance(value, list) and any(isinstance(item, dict) for item in value):
        inside = {f"{key}[{number}]": item for number, item in enumerate(value)}
    else:
        return {key: value}
    return {name: leaf for place, item in inside.items() for name, leaf in flatten(item, place, lists).items()}


def class_name(value: Any) -> str | None:
    """Return the short name of the class that a setting names, if it names one.

    Example:
        >>> class_name({"class_path": "eurosat_cls.encoders.ResNet"}), class_name({"lr": 0.1})
        ('ResNet', None)
    """
    named = value.get("class_path") if isinstance(value, Mapping) else None
    return None if named is None else str(named).rpartition(".")[2]


def print_differences(theirs: Mapping[str, Any], ours: Mapping[str, Any], parts: tuple[str, ...]) -> None:
    """Print the first few :func:`differences` of these parts, but for what is left to the machine now (``auto``)."""
    found = [each for part in parts for each in differences(theirs.get(part), ours.get(part), part)]
    found = [each for each in found if each.ours != "auto"]
    for each in found[:LISTED]:
        print(printable(str(each)), file=sys.stderr)
    if len(found) > LISTED:
        print(f"and {len(found) - LISTED} more differences", file=sys.stderr)


def _short(value: Any) -> str:
    text = str(value["class_path"] if class_name(value) else value)
    return text if len(text) < 60 else f"{text[:60]}..."
