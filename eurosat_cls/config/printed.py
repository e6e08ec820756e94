"""Print a configuration with the origin of every value, as a valid configuration."""

from collections.abc import Iterator
from typing import Any

import yaml

from eurosat_cls.config.tree import Node, Path, nearest


class _Dumper(yaml.SafeDumper):
    """YAML with a list of scalars in one line."""


def _represent_list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    flow = not any(isinstance(item, (dict, list)) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flow)


_Dumper.add_representer(list, _represent_list)


def annotated(config: dict[str, Any], tree: Node, dropped: list[str]) -> str:
    """Write a configuration as YAML that says in comments where its values are from.

    Args:
        config: all settings, defaults too.
        tree: the settings that were given.
        dropped: lines about arguments that a change of class dropped; they come first.

    Example:
        >>> from eurosat_cls.config.files import read_text
        >>> tree = read_text("trainer: {max_epochs: 3}", "a.yaml")
        >>> print(annotated({"trainer": {"max_epochs": 3, "precision": "auto"}}, tree, []), end="")
        trainer:
          max_epochs: 3  # a.yaml:1
          precision: auto  # default
    """
    text = yaml.dump(config, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)
    lines = text.splitlines()
    composed = yaml.compose(text, Loader=yaml.SafeLoader)
    comments = dict(_comments(composed, tree, ()))
    head = ["# Dropped, as another class took the place of the one that they were for:", *(f"# - {d}" for d in dropped)]
    body = [f"{line}  # {comments[n]}" if n in comments else line for n, line in enumerate(lines)]
    return "\n".join([*(head if dropped else []), *body]) + "\n"


def _comments(node: Any, tree: Node, path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers of the values in YAML text, each with an origin; a list in one line has one."""
    if isinstance(node, yaml.MappingNode) and node.value:
        for key, value in node.value:
            yield from _comments(value, tree, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode) and not node.flow_style:
        for number, value in enumerate(node.value):
            yield from _comments(value, tree, (*path, number))
    else:
        # A comment inside a text of several lines would become part of it, so it follows the last one.
        yield node.end_mark.line - (node.end_mark.column == 0), _origin(tree, path)


def _origin(tree: Node, path: Path) -> str:
    found, rest = nearest(tree, path)
    given = not rest or not isinstance(found.value, (dict, list))  # a short form such as `loss: FocalLoss`
    return found.origin if given else "default"
