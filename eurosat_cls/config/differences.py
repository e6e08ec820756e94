"""In what configurations differ."""

import sys
from collections.abc import Mapping
from typing import Any

LISTED = 10  # differences that are printed


def differences(theirs: Any, ours: Any, key: str = "") -> list[str]:
    """List in what a configuration differs from that of a checkpoint, a line for each setting.

    What is left to the machine now (``auto``) does not differ.

    Args:
        theirs: nested plain data of the checkpoint.
        ours: the same of the present configuration.
        key: the name of both.

    Example:
        >>> differences({"lr": 0.1, "nesterov": True}, {"lr": 0.2, "nesterov": True}, "optimizer")
        ['optimizer.lr: 0.2, not 0.1 as in the checkpoint']
    """
    if theirs == ours or ours == "auto":
        return []
    if not (isinstance(theirs, Mapping) and isinstance(ours, Mapping)) or _class(theirs) != _class(ours):
        return [f"{key}: {_short(ours)}, not {_short(theirs)} as in the checkpoint"]
    names = [*ours, *(name for name in theirs if name not in ours)]
    prefix = f"{key}." if key else ""
    return [line for name in names for line in differences(theirs.get(name), ours.get(name), f"{prefix}{name}")]


def print_differences(theirs: Mapping[str, Any], ours: Mapping[str, Any], parts: tuple[str, ...]) -> None:
    """Print :func:`differences` of these parts of two configurations, the first few of them."""
    found = [line for part in parts for line in differences(theirs.get(part), ours.get(part), part)]
    for line in found[:LISTED]:
        print(line, file=sys.stderr)
    if len(found) > LISTED:
        print(f"and {len(found) - LISTED} more differences", file=sys.stderr)


def _class(settings: Mapping[str, Any]) -> Any:
    return settings.get("class_path")


def _short(value: Any) -> str:
    named = _class(value) if isinstance(value, Mapping) else None
    text = str(named or value)
    return text if len(text) < 60 else f"{text[:60]}..."
