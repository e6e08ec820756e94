"""The private parts of jsonargparse that this package leans on, each with its reason; looked at in jsonargparse 4.53.

What a parser accepts is asked of the parser itself, so that mistakes, schema and help never say another thing than it.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from jsonargparse._required import iter_required_keys
from jsonargparse._typehints import get_all_subclass_paths  # what the parser itself finds short names among
from jsonargparse._util import import_object  # imports what the parser would, and refuses what it would

__all__ = ["get_all_subclass_paths", "import_object", "linked_keys", "set_helps", "typed_keys"]


def typed_keys(parser: Any) -> Iterator[tuple[str, Any, Any, str]]:
    """Key, type, default and help of what a parser takes, without what only prints something.

    The default of a required key is ``inspect.Parameter.empty``. A parser lists its actions nowhere in public.
    """
    required = set(iter_required_keys(parser))
    for action in parser._actions:
        kind = getattr(action, "_typehint", None)
        if kind is not None and not type(action).__name__.startswith("_ActionHelp"):
            default = inspect.Parameter.empty if action.dest in required else action.default
            yield action.dest, kind, default, str(action.help or "")


def set_helps(parser: Any, description: str, helps: Mapping[str, str]) -> None:
    """Replace what the help of a parser says of itself, and of some keys as far as it has them."""
    parser.description = description
    for action in parser._actions:
        if action.dest in helps:
            action.help = helps[action.dest]


def linked_keys(parser: Any) -> set[str]:
    """Keys that are filled in from others: links are kept in a private group."""
    group = getattr(parser, "_links_group", None)
    return {action.target[0] for action in group._group_actions} if group is not None else set()
