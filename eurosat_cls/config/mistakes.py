"""Explain what the parser refuses: where it was written, which key, what is wrong, and what would be right."""

import difflib
import inspect
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from eurosat_cls.config.settings import (
    Base,
    Setting,
    alternatives,
    bases,
    class_settings,
    elements,
    find_class,
    fits,
    known_classes,
    linked_keys,
    settings_of,
    type_text,
)
from eurosat_cls.config.tree import Node, Path, dotted, nearest, plain

_MOST_KEYS = 26  # more are told by name only
_MOST_CLASSES = 20


class Mistake(NamedTuple):
    """What is wrong at a key, and what there is to choose from."""

    path: Path
    text: str
    choices: str = ""


def explain(parser: Any, tree: Node, command: str) -> str | None:
    """Find the first thing in a configuration that the parser of ``command`` cannot take.

    Args:
        parser: the jsonargparse parser of the command.
        tree: the configuration.
        command: its name.

    Returns:
        One or two lines with file and line (or option), key, reason and the way out; None where nothing is found.
    """
    mistake = _Search(parser, command).settings(tree, settings_of(parser), (), command)
    return None if mistake is None else told(mistake, tree)


def told(mistake: Mistake, tree: Node) -> str:
    """A mistake as text, with the place where it was written."""
    origin = nearest(tree, mistake.path)[0].origin
    key = dotted(mistake.path)
    place = origin if not origin or origin in (f"--{key}", key) else f"{origin}: "
    where = place if place.startswith("--") and not place.endswith(": ") else f"{place}{key}"
    lines = [f"{where}: {mistake.text}" if where else mistake.text, mistake.choices]
    return "\n".join(line for line in lines if line)


class _Search:
    """Walk a configuration beside the types of its keys."""

    def __init__(self, parser: Any, command: str) -> None:
        self.linked = linked_keys(parser)
        self.command = command

    def settings(self, node: Node, known: dict[str, Setting], path: Path, owner: str) -> Mistake | None:
        """Check a mapping of settings; those of a group have dotted names."""
        assert node.mapping is not None
        for key, child in node.mapping.items():
            name = str(key).removesuffix("+")
            group = {k[len(name) + 1 :]: setting for k, setting in known.items() if k.startswith(f"{name}.")}
            here = (*path, key)
            if name not in known and not group:
                return self.unknown(name, here, known, owner)
            if name not in known:
                if child.mapping is None:
                    return Mistake(here, f"expected settings of {name}, got {_shown(child)}.", _accepted(group))
                mistake = self.settings(child, group, here, name)
            elif str(key).endswith("+"):
                mistake = self.value(child, elements(known[name].type), here)
            else:
                mistake = self.value(child, known[name].type, here)
            if mistake is not None:
                return mistake
        missing = [s for name, s in known.items() if s.default is inspect.Parameter.empty and name not in node.mapping]
        if not missing:
            return None
        if not path:
            names = " and ".join(setting.name for setting in missing)
            return Mistake((), f"{owner} needs {names}: give a file with --config, such as configs/tiny_resnet18.yaml.")
        return Mistake(path, f"{owner} needs {', '.join(f'{s.name!r}' for s in missing)}.", _accepted(known))

    def unknown(self, name: str, path: Path, known: dict[str, Setting], owner: str) -> Mistake:
        if dotted(path) in self.linked:
            return Mistake(path, "follows from the data and cannot be set.")
        own = {setting.name.partition(".")[0]: setting for setting in known.values()} if len(path) == 1 else known
        close = difflib.get_close_matches(name, own, 3, 0.6)
        return Mistake(path, f"{owner} has no key {name!r}.{_did_you_mean(close)}", _accepted(own, close, len(path) == 1))

    def value(self, node: Node, kind: Any, path: Path) -> Mistake | None:
        """Check a value of any type."""
        allowed = bases(kind)
        if kind is None or (node.value is None and _takes_none(kind)):
            return None
        inner = elements(kind)
        if isinstance(node.value, list) and inner is not None:
            found = (self.value(item, inner, (*path, number)) for number, item in enumerate(node.value))
            return next(filter(None, found), None)
        if node.mapping is not None and allowed and (node.is_class or inner is None):
            return self.part(node, allowed, path, kind)
        if node.mapping is not None and inner is not None and not allowed:
            found = (self.value(item, inner, (*path, key)) for key, item in node.mapping.items())
            return next(filter(None, found), None)
        if isinstance(node.value, str) and allowed:
            if _takes_text(kind) and not node.value[:1].isupper() and "." not in node.value:
                return None
            return self.part(Node({"class_path": node}, node.origin), allowed, path, kind)
        if fits(plain(node), kind):
            return None
        return Mistake(path, f"expected {_expected(kind)}, got {_shown(node)}.{_near_value(node, kind)}")

    def part(self, node: Node, allowed: list[Base], path: Path, kind: Any) -> Mistake | None:
        """Check a class and its arguments."""
        assert node.mapping is not None
        if "class_path" not in node.mapping:
            return None if not node.is_class else Mistake(path, "needs a class_path beside init_args.", _classes(allowed))
        named = node.mapping["class_path"]
        strange = [key for key in node.mapping if key not in ("class_path", "init_args", "dict_kwargs")]
        if strange:
            close = difflib.get_close_matches(str(strange[0]), ["class_path", "init_args"], 1, 0.6)
            hint = _did_you_mean(close) or " Arguments of the class belong under init_args."
            return Mistake((*path, strange[0]), f"beside class_path there is no key {strange[0]!r}.{hint}")
        where = (*path, "class_path") if named is not nearest(node, ())[0] and len(node.mapping) > 1 else path
        if not isinstance(named.value, str):
            return Mistake(where, f"expected the name of a class, got {_shown(named)}.", _classes(allowed))
        return self.known_part(node, named.value, allowed, path, where, kind)

    def known_part(
        self, node: Node, name: str, allowed: list[Base], path: Path, where: Path, kind: Any
    ) -> Mistake | None:
        assert node.mapping is not None
        wanted = " or ".join(base.cls.__name__ for base in allowed)
        try:
            found = next(filter(None, (find_class(name, base.cls) for base in allowed)), None)
        except ImportError as error:
            return Mistake(where, str(error))
        if found is None:
            close = close_classes(name, allowed)
            return Mistake(where, f"there is no class {name!r}.{_did_you_mean(close)}", _classes(allowed))
        if not inspect.isclass(found):
            return None if callable(found) else Mistake(where, f"{name} is no class.", _classes(allowed))
        base = next((base for base in allowed if issubclass(found, base.cls)), None)
        if base is None:
            return Mistake(where, f"{found.__name__} is no {wanted}.", _classes(allowed))
        if inspect.isabstract(found):
            return Mistake(where, f"{found.__name__} is abstract: it is what others are made from.", _classes(allowed))
        linked = {key.rpartition(".")[2] for key in self.linked if key.startswith(f"{dotted(path)}.init_args.")}
        known = class_settings(found, base.given, (*base.filled, *linked))
        arguments = node.mapping.get("init_args", Node({}, node.origin))
        if arguments.mapping is None:
            if arguments.value is None:
                return None
            return Mistake((*path, "init_args"), f"expected the arguments of {found.__name__} as `key: value`, "
                           f"got {_shown(arguments)}.", _accepted(known))  # fmt: skip
        return self.settings(arguments, known, (*path, "init_args"), found.__name__)


def close_classes(name: str, allowed: Iterable[Base]) -> list[str]:
    """Names of known classes that resemble a wrong one, the nearest first."""
    names: dict[str, str] = {}
    for base in allowed:
        for short, path in known_classes(base.cls).items():
            names.setdefault(short, short if path.startswith("eurosat_cls.") else path)
    short = {key.lower(): key for key in names}
    last = name.rpartition(".")[2].lower()
    same = [path for path in names.values() if path.rpartition(".")[2].lower() == last]
    close = [names[short[key]] for key in difflib.get_close_matches(last, short, 3, 0.6)]
    return list(dict.fromkeys(same + close))[:3]


def _accepted(known: dict[str, Setting], close: Collection[str] = (), names_only: bool = False) -> str:
    """The keys that there are, with types and defaults unless they are too many."""
    if not known:
        return "It takes no keys."
    if names_only:
        return f"keys: {', '.join(known)}"
    if len(known) <= _MOST_KEYS:
        return f"keys: {', '.join(str(setting).rpartition('.')[2] if False else str(setting) for setting in known.values())}"
    first = [str(known[name]) for name in close]
    return f"keys: {', '.join([*first, *(name for name in known if name not in close)])}"


def _classes(allowed: list[Base]) -> str:
    """The classes of this package that there are, or some of others."""
    paths = [path for base in allowed for path in known_classes(base.cls).values()]
    ours = [path.rpartition(".")[2] for path in paths if path.startswith("eurosat_cls.")]
    others = [path for path in paths if not path.startswith("eurosat_cls.")]
    if ours:
        more = "" if not others else f", or another {allowed[0].cls.__name__} by its path"
        return f"classes: {', '.join(ours[:_MOST_CLASSES])}{more}"
    return f"classes: {', '.join(others)}" if 0 < len(others) <= _MOST_CLASSES else ""


def _did_you_mean(close: Collection[str]) -> str:
    return f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""


def _takes_none(kind: Any) -> bool:
    return type(None) in alternatives(kind)


def _takes_text(kind: Any) -> bool:
    return str in alternatives(kind)


def _expected(kind: Any) -> str:
    return type_text(kind).replace("Literal", "one of ") if "Literal" in type_text(kind) else type_text(kind)


def _near_value(node: Node, kind: Any) -> str:
    import typing

    words = [
        word
        for member in alternatives(kind)
        if typing.get_origin(member) is typing.Literal
        for word in typing.get_args(member)
        if isinstance(word, str)
    ]
    return _did_you_mean(difflib.get_close_matches(str(node.value), words, 1, 0.6))


def _shown(node: Node) -> str:
    value = plain(node)
    text = {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
