"""Explain what the parser refuses: where it was written, which key, what is wrong, and what would be right."""

import inspect
import typing
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from eurosat_cls.config import parser as parsing
from eurosat_cls.config.former_names import KEYS
from eurosat_cls.config.roles import check_object, reason_against
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
    shown,
    type_text,
)
from eurosat_cls.config.tree import Node, Path, dotted, located, plain
from eurosat_cls.config.trust import PACKAGES
from eurosat_cls.config.vocabulary import Vocabulary
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import did_you_mean, nearest

_MOST_TYPED = 26  # of more keys only the nearest are told with type and default
_MOST_CLASSES = 20


class Mistake(NamedTuple):
    """What is wrong at a key, and what there is to choose from."""

    path: Path
    text: str
    choices: str = ""
    unknown: bool = False  # whether it is a key that there is not

    def message(self, tree: Node) -> str:
        """It as one or two lines, with the place in ``tree`` where it was written."""
        return "\n".join(filter(None, (": ".join(filter(None, (located(tree, self.path), self.text))), self.choices)))


def explain(
    parser: Any,
    tree: Node,
    command: str,
    elsewhere: Mapping[str, Collection[str]],
    words: Vocabulary,
    only_unknown: bool = False,
) -> str | None:
    """Find the first thing in a configuration that the parser of a command cannot take.

    Args:
        parser: the jsonargparse parser of the command.
        tree: the configuration.
        command: the command's name.
        elsewhere: the first keys that each command takes.
        words: the names that the command line knows.
        only_unknown: look for keys that there are not, and nothing else.

    Returns:
        One or two lines with file and line (or option), key, reason and the way out; None where nothing is found.
    """
    mistake = _Search(parser, elsewhere, words, only_unknown).settings(tree, settings_of(parser), (), command)
    return None if mistake is None else mistake.message(tree)


class _Search:
    """Walk a configuration beside the types of its keys."""

    def __init__(
        self, parser: Any, elsewhere: Mapping[str, Collection[str]], words: Vocabulary, only_unknown: bool
    ) -> None:
        self.linked = linked_keys(parser)
        self.elsewhere, self.words, self.only_unknown = elsewhere, words, only_unknown

    def settings(self, node: Node, known: dict[str, Setting], path: Path, owner: str) -> Mistake | None:
        """Check a mapping of settings; ``known`` has dotted names for those of groups."""
        for key, child in node.value.items():
            name, here = str(key).removesuffix("+"), (*path, key)
            group = {k[len(name) + 1 :]: setting for k, setting in known.items() if k.startswith(f"{name}.")}
            if name in known and known[name].required and child.value is None:
                mistake: Mistake | None = Mistake(here, f"{owner} needs it, got null.", _keys(known))
            elif name in known:
                items = child.value if str(key).endswith("+") and isinstance(child.value, list) else [child]
                kind = known[name].type if items[0] is child else elements(known[name].type)
                mistake = self.first(self.value(item, kind, here) for item in items)
            elif group:
                mistake = self.group(child, {k: replace(s, name=k) for k, s in group.items()}, here)
            else:
                mistake = self.unknown(name, here, known, owner)
            if self.first([mistake]) is not None:
                return mistake
        missing = [key for key, setting in known.items() if setting.required and key not in node.value]
        if self.only_unknown:
            return None
        if missing and not path:
            text = (
                f"{owner} needs {' and '.join(missing)}: give a file with --config, such as configs/tiny_resnet18.yaml."
            )
            return Mistake((), text)
        return Mistake(path, f"{owner} needs {' and '.join(missing)}.", _keys(known)) if missing else None

    def group(self, node: Node, known: dict[str, Setting], path: Path) -> Mistake | None:
        if node.mapping is None:
            return Mistake(path, f"expected keys and values, got {shown(plain(node))}.", _keys(known))
        return self.settings(node, known, path, str(path[-1]))

    def unknown(self, name: str, path: Path, known: dict[str, Setting], owner: str) -> Mistake:
        top = len(path) == 1
        names = list(dict.fromkeys(key.partition(".")[0] for key in known)) if top else list(known)
        others = [command for command, keys in self.elsewhere.items() if top and name in keys]
        meant = self.words.meant.get(name.lower().replace("-", "_")) if top else None
        close = nearest(name, names, 2) if meant is None else [meant]
        hint = f" It is one of {', '.join(others)}." if others and meant is None else did_you_mean(close)
        if (present := KEYS.get(owner, {}).get(name)) is not None:
            hint, close = f" It is called {present!r} now.", [present]
        choices = f"keys: {', '.join(names)}" if top else _keys(known, close)
        return Mistake(path, f"{owner} has no key {name!r}.{hint}", choices, unknown=True)

    def value(self, node: Node, kind: Any, path: Path) -> Mistake | None:
        """Check a value of any type."""
        if kind is None or (node.value is None and type(None) in alternatives(kind)):
            return None
        allowed, inner = bases(kind), elements(kind)
        if isinstance(node.value, list) and inner is not None:
            return self.first((self.value(item, inner, (*path, n)) for n, item in enumerate(node.value)))
        if node.mapping is not None and inner is not None and not node.is_class:
            return self.first(self.value(item, inner, (*path, key)) for key, item in node.value.items())
        if node.mapping is not None and allowed:
            return self.part(node, allowed, path)
        if isinstance(node.value, str) and allowed and not (str in alternatives(kind) and fits(node.value, kind)):
            return self.named(Node({}, node.origin), node, allowed, path, path)
        if self.only_unknown or fits(plain(node), kind):
            return None
        words = [word for member in alternatives(kind) if typing.get_origin(member) is typing.Literal
                 for word in typing.get_args(member)]  # fmt: skip
        hint = did_you_mean(nearest(str(node.value), map(str, words)))
        return Mistake(path, f"expected {type_text(kind)}, got {shown(plain(node))}.{hint}")

    def first(self, found: Iterable[Mistake | None]) -> Mistake | None:
        return next((each for each in found if each is not None and (each.unknown or not self.only_unknown)), None)

    def part(self, node: Node, allowed: list[Base], path: Path) -> Mistake | None:
        """Check a class and its arguments."""
        if not node.is_class:
            return None
        if "class_path" not in node.value:
            return Mistake(path, "has init_args and no class_path.", _classes(allowed, self.words))
        strange = [key for key in node.value if key not in ("class_path", "init_args", "dict_kwargs")]
        if strange:
            hint = (
                did_you_mean(nearest(str(strange[0]), ["class_path", "init_args"]))
                or " Arguments of the class belong under init_args."
            )
            return Mistake((*path, strange[0]), f"beside class_path there is no key {strange[0]!r}.{hint}", "", True)
        return self.named(node, node.value["class_path"], allowed, path, (*path, "class_path"))

    def named(self, node: Node, name: Node, allowed: list[Base], path: Path, where: Path) -> Mistake | None:
        """Check the class that is named at ``where``, and its arguments in ``node``."""
        try:
            found = _resolve(name, allowed, self.words)
        except _NoSuchClass as error:
            return Mistake(where, str(error), _classes(allowed, self.words))
        except ImportError as error:  # the parser refuses to import it
            known = str(name.value).startswith(tuple(f"{package}." for package in PACKAGES))
            if known and (close := close_classes(name.value, allowed)):
                text = f"there is no class {name.value!r}.{did_you_mean(close)}"
                return Mistake(where, text, _classes(allowed, self.words))
            return Mistake(where, parsing.explain(str(error)))
        except UserError as error:
            return Mistake(where, str(error).removeprefix(": "))
        if not inspect.isclass(found):
            return None
        base = next(base for base in allowed if issubclass(found, base.cls))
        return self.arguments(node.value.get("init_args", Node({}, name.origin)), found, base, (*path, "init_args"))

    def arguments(self, node: Node, cls: type, base: Base, path: Path) -> Mistake | None:
        """Check the ``init_args`` of a class."""
        linked = [key.rpartition(".")[2] for key in self.linked if key.rpartition(".")[0] == dotted(path)]
        try:
            known = class_settings(cls, base.given, (*base.filled, *linked))
        except ValueError:  # a class without a signature, in C: only the parser itself can say what it takes
            return None
        if node.mapping is not None:
            return self.settings(node, known, path, cls.__name__)
        return None if node.value is None else self.group(node, known, path)


class _NoSuchClass(Exception):
    """A name is not that of a class which may stand there; those that may are worth listing."""


def _resolve(name: Node, allowed: list[Base], words: Vocabulary) -> Any:
    """Return the class that a name means, or a callable that is no class.

    Raises:
        _NoSuchClass: for a name of nothing, or of something else.
        ImportError: where the parser would refuse to import it.
        UserError: for a callable that is not trusted.
    """
    if not isinstance(name.value, str):
        raise _NoSuchClass(f"expected the name of a class, got {shown(plain(name))}.")
    wanted = " or ".join(base.cls.__name__ for base in allowed)
    found = next(filter(None, (find_class(name.value, base.cls) for base in allowed)), None)
    if found is None:
        text = (
            f"{name.value} is no {wanted}."
            if name.value in words.names
            else f"there is no class {shown(name.value, 80)}."
        )
        raise _NoSuchClass(f"{text}{did_you_mean(close_classes(name.value, allowed))}")
    if not callable(found):
        raise _NoSuchClass(f"{name.value} is no class.")
    if not inspect.isclass(found):
        check_object(found, name.value, "")
    elif not issubclass(found, tuple(base.cls for base in allowed)):
        raise _NoSuchClass(f"{found.__name__} is no {wanted}.")
    elif inspect.isabstract(found):
        raise _NoSuchClass(abstract(found))
    return found


def abstract(cls: type) -> str:
    """What is wrong with a class that cannot be built: it is a base of others, or lacks a part of its contract."""
    lacking = sorted(getattr(cls, "__abstractmethods__", ()))
    if any(name in vars(cls) for name in lacking):
        return f"{cls.__name__} is abstract: name a class that is made from it."
    return f"{cls.__name__} has no {' and no '.join(lacking)}, which it needs."


def close_classes(name: str, allowed: Iterable[Base]) -> list[str]:
    """Names of known classes that resemble a wrong one, the nearest first."""
    names: dict[str, str] = {}
    for base in allowed:
        for short, path in _nameable(base).items():
            names.setdefault(short.lower(), short if path.startswith("eurosat_cls.") else path)
    return [names[key] for key in nearest(name.rpartition(".")[2], names, 2)]


def _keys(known: dict[str, Setting], close: Collection[str] = ()) -> str:
    """The keys that there are, with types and defaults unless there are many."""
    if not known:
        return "It takes no keys."
    typed = known if len(known) <= _MOST_TYPED else close
    names = [*close, *(name for name in known if name not in close)]
    return f"keys: {', '.join(str(known[name]) if name in typed else name for name in names)}"


def _classes(allowed: list[Base], words: Vocabulary) -> str:
    """The classes that there are: this package's by short name, or others by path when they are few."""
    base = allowed[0].cls
    ours = [cls.__name__ for cls in words.below(base)]
    if ours:
        more = "" if base.__module__.startswith("eurosat_cls.") else f", or another {base.__name__} by its path"
        return f"classes: {', '.join(ours)}{more}"
    others = [path for each in allowed for name, path in _nameable(each).items() if name != each.cls.__name__]
    return f"classes: {', '.join(others)}" if 0 < len(others) <= _MOST_CLASSES else ""


def _nameable(base: Base) -> dict[str, str]:
    """Paths of the classes that may be named, by short name: what a program has imported besides is not trusted."""
    return {name: path for name, path in known_classes(base.cls).items() if not reason_against(path)}
