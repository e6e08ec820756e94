"""Judge the classes that configs and checkpoints name, before any of them is imported or built."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from eurosat_cls.config.trust import FOREVER_REFUSED, PACKAGES, check_object, is_part, reason_against, resolve
from eurosat_cls.utils.errors import UserError

INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"
LARGEST = 100_000  # values in a checkpoint's settings; more are a bomb of shared references
DEEPEST = 1_000  # letters of a key


def check_config(config: Any, place: Callable[[str], str] = str) -> None:
    """Judge everything that a parsed configuration would call, before any of it is.

    Args:
        config: nested mappings and lists, or namespaces of jsonargparse.
        place: what an error says of a key.

    Raises:
        UserError: naming the place of the key.
    """
    for key, value in _walk(config, "config"):
        if isinstance(value, Mapping) and isinstance(value.get("class_path"), str):
            resolve(value["class_path"], place(f"{key}.class_path"))
        elif callable(value) and not isinstance(value, os.PathLike):  # what a file name is parsed to
            check_object(value, getattr(value, "__qualname__", repr(value)), place(key))


def check_settings(settings: Any, where: str, besides: Callable[[str], bool] = lambda path: False) -> None:
    """Judge the class paths among the settings in a checkpoint, before any of them is imported.

    Args:
        settings: the hyper-parameters.
        where: the checkpoint.
        besides: whether a path of a package that nobody has trusted is allowed all the same.

    Raises:
        UserError: for the first that is refused.
    """
    for _, value in _walk(settings, where):
        if not isinstance(value, Mapping):
            continue
        if value.get("_instantiator") not in (None, INSTANTIATOR):
            raise UserError(f"{where}: {value['_instantiator']!r} is refused, it is nothing that builds a model.")
        for key in ("class_path", "_class_path"):
            path = value.get(key)
            if isinstance(path, str) and (_is_known(path) or not besides(path)):
                resolve(path, where)


def check_size(value: Any, where: str) -> None:
    """Refuse nested data that are small in a file, by references or aliases, and endless when one walks through them.

    Raises:
        UserError: for more than :data:`LARGEST` values.
    """
    for _ in _walk(value, where):
        pass


def refused_names(settings: Any) -> list[str]:
    """Return the class paths among settings that are refused by their names; nothing is imported."""
    refused = {}  # in order, each once
    for _, value in _walk(settings, "the checkpoint"):
        path = value.get("class_path") if isinstance(value, Mapping) else None
        if isinstance(path, str) and reason_against(path):
            refused[path] = True
    return list(refused)


def is_loaded_part(path: str) -> bool:
    """Whether a path names a class of what a training is built of, in a module that is imported already."""
    module, _, name = path.rpartition(".")
    return is_part(getattr(sys.modules.get(module), name, None))


def _is_known(path: str) -> bool:
    """Whether there is no doubt about a path: it is of this project's packages, or is never allowed."""
    top = path.partition(".")[0]
    return top in PACKAGES or top in FOREVER_REFUSED


def _walk(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Yield mappings, lists and values with their keys, mappings before what they hold."""
    waiting, seen = [("", value)], 0
    while waiting:
        key, value = waiting.pop()
        seen += 1
        if seen > LARGEST:
            raise UserError(f"{where}: refused, there are more than {LARGEST:,} settings in it.")
        value = vars(value) if isinstance(value, argparse.Namespace) else value
        yield key, value
        items: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, Mapping) else ()
        items = enumerate(value) if isinstance(value, (list, tuple)) else items
        deep = len(key) > DEEPEST  # of something endless, whose keys shall not grow with it
        waiting.extend((key if deep else f"{key}.{name}" if key else str(name), item) for name, item in items)
