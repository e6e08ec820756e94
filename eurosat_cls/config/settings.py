"""What a parser or a class accepts: keys, types, defaults, and the classes that a type allows."""

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jsonargparse

from eurosat_cls.config.jsonargparse_private import get_all_subclass_paths, import_object, typed_keys
from eurosat_cls.config.jsonargparse_private import linked_keys as linked_keys

_VALUES = {"builtins", "typing", "pathlib", "datetime", "torch"}  # of classes that are values, not parts to be built


@dataclass
class Setting:
    """A key that is accepted.

    Attributes:
        name: the key, dotted in a group.
        type: its annotation.
        default: its default, ``inspect.Parameter.empty`` where it has none and is required.
        help: its description.
    """

    name: str
    type: Any
    default: Any
    help: str

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty

    def __str__(self) -> str:
        default = "" if self.required else f" = {shown(self.default, 40, quotes=False)}"
        return f"{self.name}: {type_text(self.type)}{default}"


def settings_of(parser: Any) -> dict[str, Setting]:
    """The keys that a jsonargparse parser accepts, without those that are filled in or only print something."""
    left_out = {*linked_keys(parser), "config"}
    return {typed[0]: Setting(*typed) for typed in typed_keys(parser) if typed[0] not in left_out}


def class_settings(cls: Callable[..., Any], given: int = 0, filled: Sequence[str] = ()) -> dict[str, Setting]:
    """The keys that ``init_args`` of a class may have.

    Args:
        cls: the class, or a function.
        given: how many of its first parameters are handed over when it is built.
        filled: names of parameters that are filled in.

    Example:
        >>> from eurosat_cls.losses import FocalLoss
        >>> str(class_settings(FocalLoss)["gamma"])
        'gamma: float = 2.0'
    """
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    skip: set[str | int] = {*filled, given} if given else set(filled)
    add = parser.add_class_arguments if inspect.isclass(cls) else parser.add_function_arguments
    add(cls, None, skip=skip, fail_untyped=False, sub_configs=True)
    return settings_of(parser)


def alternatives(kind: Any) -> list[Any]:
    """The members of a union, or the type itself."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [inner for member in typing.get_args(kind) for inner in alternatives(member)]
    return [kind]


class Base(NamedTuple):
    """A class whose subclasses a key takes by ``class_path``.

    Attributes:
        cls: the class.
        given: how many of a subclass's first parameters are handed over when it is built.
        filled: names of parameters that are handed over.
    """

    cls: type
    given: int = 0
    filled: tuple[str, ...] = ()


def bases(kind: Any) -> list[Base]:
    """The classes that a type allows by ``class_path``.

    Example:
        >>> from eurosat_cls.encoders import Encoder
        >>> [(base.cls.__name__, base.given) for base in bases(Callable[[int], Encoder] | None)]
        [('Encoder', 1)]
    """
    found: list[Base] = []
    for member in alternatives(kind):
        arguments = typing.get_args(member)
        if _origin(member) is Callable:
            given = len(arguments[0]) if arguments and isinstance(arguments[0], list) else 0
            found += [Base(inner.cls, given) for inner in (bases(arguments[-1]) if arguments else ())]
        elif getattr(member, "_is_protocol", False):
            call = inspect.signature(member.__call__)
            filled = tuple(name for name in call.parameters if name != "self")
            found += [Base(inner.cls, 0, filled) for inner in bases(call.return_annotation)]
        elif inspect.isclass(member) and _origin(member) is None and member.__module__ not in _VALUES:
            found.append(Base(member))
    return found


def elements(kind: Any) -> Any | None:
    """The type of the items of a list type, or of the values of a mapping type; None for others."""
    for member in alternatives(kind):
        origin, arguments = _origin(member), typing.get_args(member)
        if inspect.isclass(origin) and issubclass(origin, Mapping) and len(arguments) == 2:
            return arguments[1]
        if inspect.isclass(origin) and issubclass(origin, (Sequence, set)) and origin is not tuple and arguments:
            return arguments[0]
        if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
            return arguments[0]
    return None


def _origin(kind: Any) -> Any:
    origin = typing.get_origin(kind)
    return Callable if origin in (typing.Callable, Callable) or str(origin).endswith("abc.Callable'>") else origin


def known_classes(base: type) -> dict[str, str]:
    """Paths of the classes below ``base`` that can be built, by short name."""
    return {path.rpartition(".")[2]: path for path in get_all_subclass_paths(base)}


def find_class(name: str, base: type) -> Any:
    """The object that a class path or short name means; None when there is none.

    Raises:
        ImportError: where the parser would refuse to import it, with the reason.
    """
    path = known_classes(base).get(name, name) if "." not in name else name
    if "." not in path:
        return None
    try:
        return import_object(path)
    except Exception as error:
        if type(error).__name__ == "ImportDenied":
            raise
        return None


def fits(value: Any, kind: Any) -> bool:
    """Whether the parser takes a plain value for a type."""
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=kind)
    try:
        parser.parse_object({"value": value})
    except Exception:  # whatever a type's own conversion raises means no
        return False
    return True


def type_text(kind: Any) -> str:
    """A type as a person reads it.

    Example:
        >>> type_text(Sequence[int] | None)
        'Sequence[int] | null'
    """
    members = [member for member in alternatives(kind) if getattr(member, "__module__", "") != "torch"]
    if len(members) > 1:
        return " | ".join(dict.fromkeys(type_text(member) for member in members))
    kind = members[0]
    if built := bases(kind):
        return " | ".join(base.cls.__name__ for base in built)
    if typing.get_origin(kind) is typing.Literal:
        return " | ".join(shown(word, quotes=False) for word in typing.get_args(kind))
    if inspect.isclass(kind) and typing.get_origin(kind) is None:
        return "null" if kind is type(None) else kind.__name__
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=\w)", "", str(kind)).replace("NoneType", "null")


def shown(value: Any, most: int = 60, quotes: bool = True) -> str:
    """A value as a configuration has it, shortened.

    Example:
        >>> shown(None), shown("auto"), shown((2, 2))
        ('null', "'auto'", '[2, 2]')
    """
    if isinstance(value, Mapping) and "class_path" in value:
        return str(value["class_path"]).rpartition(".")[2]
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(list(value) if isinstance(value, tuple) else value) if quotes else str(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."
