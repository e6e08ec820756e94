"""Explain what classes and the Trainer refuse once the parser has taken it."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

from eurosat_cls.config.compose import Composition
from eurosat_cls.config.tree import Node, Path, located, nearest, plain
from eurosat_cls.utils.errors import UserError, find_user_error

_LIBRARIES = ("torch", "torchvision", "torchmetrics", "lightning", "timm")
_LONGEST = 400  # letters of a reason


@contextmanager
def explaining(composition: Composition) -> Iterator[None]:
    """Tell what goes wrong inside the block as a mistake in the configuration, where it is one.

    It is one when a class refuses its arguments with a UserError, when one of a library refuses them, and when
    Lightning refuses a setting. What other classes raise may be what their author is looking for, and keeps its
    traceback.

    Raises:
        UserError: with file and line (or option), key and reason.
    """
    try:
        yield
    except Exception as error:
        mistake = find_user_error(error)
        message = (
            _library_message(error, composition.tree) if mistake is None else _own_message(mistake, composition.tree)
        )
        if message is None:
            raise
        raise UserError(message) from error


def _library_message(error: Exception, tree: Node) -> str | None:
    building = isinstance(error, ValueError) and _package(_frames(error)) == "jsonargparse"
    root: BaseException = error
    while building and root.__cause__ is not None:
        root = root.__cause__
    frames = _frames(root)
    refused = isinstance(root, (ValueError, ImportError)) and _package(frames) in (
        _LIBRARIES if building else ("lightning",)
    )
    if not refused and not isinstance(root, MisconfigurationException):
        return None
    reason = " ".join(str(root).split())
    shortened = reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]} ..."
    named = [frame for frame in frames if "self" in frame.f_locals]
    for frame in named:
        name = type(frame.f_locals["self"]).__name__
        if path := _place(name, reason, tree):
            return f"{located(tree, path)}: {name}: {shortened}"
    path = _setting(reason, tree)
    return f"{located(tree, path)}: {shortened}" if path else shortened


def _own_message(mistake: UserError, tree: Node) -> str | None:
    """What a constructor, or a factory of the model, said of its arguments, after the place of what it refuses."""
    reason = str(mistake)
    if built := re.match(r"model\.\w+: (\w+): ", reason):
        name, reason = built[1], reason.partition(": ")[2]
    else:
        frames = [frame for frame in _frames(mistake) if frame.f_code.co_name == "__init__"]
        name = type(frames[0].f_locals.get("self")).__name__ if frames else ""
    path = _place(name, reason, tree)
    return f"{located(tree, path)}: {reason}" if path else None


def _frames(error: BaseException) -> list[FrameType]:
    """The calls that led to an error, the innermost first."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    return frames[::-1]


def _package(frames: list[FrameType]) -> str:
    """The package whose code raised an error."""
    return str(frames[0].f_globals.get("__name__")).partition(".")[0] if frames else ""


def _place(name: str, reason: str, tree: Node) -> Path | None:
    """Where the configuration names a class, or better the argument of it that a reason speaks of."""
    found: list[tuple[int, Path]] = []
    for path in _places(tree, name):
        found.append((0, path))
        spec = nearest(tree, path[:-1])[0] if path[-1] == "class_path" else Node({}, "")
        arguments = spec.value.get("init_args", Node({}, "")).mapping or {}
        for key, node in arguments.items():
            if re.search(rf"\b{re.escape(str(key))}\b", reason):
                found.append((2 if str(plain(node)) in reason else 1, (*path[:-1], "init_args", key)))
    return max(found, key=lambda place: place[0])[1] if found else None


def _setting(reason: str, tree: Node) -> Path | None:
    """The setting of the Trainer that a reason speaks of."""
    node = tree.value.get("trainer", tree)
    given = [key for key in node.mapping or {} if f"{key}`" in reason or f"{key}=" in reason or f"for {key}" in reason]
    return ("trainer", given[0]) if given and node is not tree else None


def _places(node: Node, name: str, path: Path = ()) -> Iterator[Path]:
    """Where a tree names a class."""
    if isinstance(node.value, str) and node.value.rpartition(".")[2] == name:
        yield path
    items: Iterable[tuple[Any, Node]] = node.value.items() if isinstance(node.value, dict) else ()
    items = enumerate(node.value) if isinstance(node.value, list) else items
    for key, child in items:
        yield from _places(child, name, (*path, key))
