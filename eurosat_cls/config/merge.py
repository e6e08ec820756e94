"""Lay one configuration over another: key by key, except that another class starts from its own defaults."""

import re
import sys
from typing import Any, NamedTuple

from eurosat_cls.config.tree import Node, Path, dotted, leaves, plain

_CLASS_NAME = re.compile(r"(?:[A-Za-z_]\w*\.)*_?[A-Z]\w*")
_CLASS_KEYS = {"class_path", "init_args", "dict_kwargs"}


class Dropped(NamedTuple):
    """An argument that was given for a class, when another class took its place."""

    path: Path
    text: str


def merge(base: Node, over: Node, dropped: list[Dropped] | None = None) -> Node:
    """Lay ``over`` over ``base``.

    Settings are merged key by key: those of the file, of ``trainer`` and such groups, and of a class. Any other value,
    lists and mappings such as class weights among them, is replaced. ``key+`` adds to a list. Where ``over`` names
    another class, the arguments of the former one are dropped.

    Args:
        base: the lower layer.
        over: the upper layer.
        dropped: gets every argument that a change of class dropped.

    Example:
        >>> from eurosat_cls.config.files import read_text
        >>> base = read_text("optimizer: {class_path: AdamW, init_args: {lr: 0.1, weight_decay: 0.01}}", "a")
        >>> over = read_text("optimizer: {class_path: SGD, init_args: {lr: 0.2}}", "b")
        >>> plain(merge(base, over))
        {'optimizer': {'class_path': 'SGD', 'init_args': {'lr': 0.2}}}
    """
    return _merge(base, over, (), [] if dropped is None else dropped)


def _merge(base: Node, over: Node, path: Path, dropped: list[Dropped]) -> Node:
    if over.value is None and len(path) == 1 and base.mapping is not None:
        return base  # a section whose lines are all comments
    if over.mapping is not None and over.partial and isinstance(base.value, list) and base.value:
        last = len(base.value) - 1  # an option such as --trainer.callbacks.decay is about the last of a list
        return Node([*base.value[:-1], _merge(base.value[-1], over, (*path, last), dropped)], base.origin)
    if over.mapping is not None and (over.is_class or over.partial) and _names_class(base.value):
        base = Node({"class_path": base}, base.origin)
    if base.is_class:
        if _names_class(over.value):
            over = Node({"class_path": over}, over.origin)
        if over.mapping is None:
            _note(base, over, path, dropped)
            return over
        return _merge_class(base, over, path, dropped)
    if base.mapping is None or over.mapping is None or over.is_class:
        return over
    group = len(path) <= 1 or path[0] == "hyperparameters"
    return Node(_merge_keys(base.mapping, over.mapping, path, dropped), base.origin) if group or over.partial else over


def _merge_class(base: Node, over: Node, path: Path, dropped: list[Dropped]) -> Node:
    below, above = dict(base.value), dict(over.value)
    if not over.is_class and "dict_kwargs" not in above:  # arguments of the class, without saying so
        above = {"init_args": Node(above, over.origin, over.partial)}
    former, latter = below.get("class_path"), above.get("class_path")
    if former is not None and latter is not None and not same_class(former.value, latter.value):
        _note(base, over, path, dropped)
        return over
    result = {**below, **above}
    for part in ("init_args", "dict_kwargs"):
        if part in below and part in above and below[part].mapping is not None:
            given = above[part].mapping if above[part].value is not None else {}
            if given is not None:
                result[part] = Node(_merge_keys(below[part].value, given, (*path, part), dropped), below[part].origin)
    return Node(result, base.origin)


def _merge_keys(base: dict[Any, Node], over: dict[Any, Node], path: Path, dropped: list[Dropped]) -> dict[Any, Node]:
    result = dict(base)
    for key, value in over.items():
        name = str(key)
        if name.endswith("+"):
            target = name[:-1] if name[:-1] in result else name
            former = result.get(target, Node([], value.origin))
            items = value.value if isinstance(value.value, list) else [value]
            kept = former.value if isinstance(former.value, list) else [] if former.value is None else [former]
            result[target] = Node([*kept, *items], value.origin)
            continue
        if value.partial and key not in result and f"{name}+" in result:
            key = f"{name}+"
        result[key] = _merge(result[key], value, (*path, key), dropped) if key in result else value
    return result


def same_class(former: Any, latter: Any) -> bool:
    """Whether two class paths mean one class, of which either may be a short name.

    Example:
        >>> same_class("SGD", "torch.optim.SGD"), same_class("torch.optim.SGD", "torch.optim.AdamW")
        (True, False)
    """
    a, b = str(former), str(latter)
    if a == b:
        return True
    if a.rpartition(".")[2] != b.rpartition(".")[2]:
        return False
    if "." not in a or "." not in b:
        return True
    return (found := _imported(a)) is not None and found is _imported(b)


def _imported(class_path: str) -> Any:
    """The object of a dotted path whose module has been imported already, if it has."""
    module, _, name = class_path.rpartition(".")
    return getattr(sys.modules.get(module), name, None)


def _names_class(value: Any) -> bool:
    return isinstance(value, str) and _CLASS_NAME.fullmatch(value) is not None


def _note(base: Node, over: Node, path: Path, dropped: list[Dropped]) -> None:
    """Write down the arguments of ``base`` that are lost with its class."""
    former = base.value["class_path"].value if "class_path" in base.value else "a class"
    named = over.value["class_path"] if over.mapping is not None else over
    for part in _CLASS_KEYS - {"class_path"}:
        if part not in base.value:
            continue
        for inner, leaf in leaves(base.value[part], (*path, part)):
            change = f"{dotted(path)} is {named.value} instead of {former} ({named.origin})"
            dropped.append(Dropped(inner, f"{dotted(inner)}: {plain(leaf)}  ({leaf.origin}; {change})"))
