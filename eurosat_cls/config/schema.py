"""A JSON schema of configurations, by which editors complete and check them.

Not jsonargparse's own: 4.53 ends in a TypeError at a class that takes another class, and where that is mended needs
three minutes and 2.2 MB for ``fit`` alone, for 9 seconds and 0.4 MB here; short names and references would be missing.
"""

import inspect
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from eurosat_cls.config.references import FREE
from eurosat_cls.config.settings import (
    Base,
    Setting,
    alternatives,
    bases,
    class_settings,
    elements,
    find_class,
    known_classes,
    linked_keys,
    settings_of,
)
from eurosat_cls.config.vocabulary import Vocabulary

_SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null", dict: "object"}
# Of classes below these the arguments are told; of others, such as the hundreds of metrics, the names.
_DESCRIBED = ("eurosat_cls.", "torch.optim.", "torch.nn.", "lightning.pytorch.c")
_REFERENCE = {"type": "string", "pattern": r"\$\{.+\}", "description": "A reference, resolved when all files are read."}


def schema(parsers: Mapping[str, Any], words: Vocabulary) -> dict[str, Any]:
    """Describe the files that all commands take.

    Overlays are configurations too, so nothing is required; class paths of other packages are taken as they are.

    Args:
        parsers: the jsonargparse parser of each command.
        words: the names that the command line knows.
    """
    parts = _Parts({key for parser in parsers.values() for key in linked_keys(parser)}, words.names)
    known = {name: setting for parser in parsers.values() for name, setting in settings_of(parser).items()}
    properties: dict[str, Any] = {FREE: {"description": "Values to refer to by ${hyperparameters.name} or an anchor."}}
    for name, setting in known.items():
        group, dot, key = name.partition(".")
        if dot:
            found = properties.setdefault(group, _mapping({}))["properties"]
            found[key] = parts.setting(setting)
        else:
            properties[name] = parts.setting(setting)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of eurosat_cls",
        **_mapping(properties),
        "$defs": {"reference": _REFERENCE, **parts.definitions},
    }


def _mapping(properties: dict[str, Any]) -> dict[str, Any]:
    """A mapping with these keys, to which ``key+`` adds items, and no others."""
    return {"type": "object", "properties": properties, "patternProperties": {r"^\w+\+$": {}},
            "additionalProperties": False}  # fmt: skip


class _Parts:
    """Definitions of the classes that configurations name, each made once."""

    def __init__(self, linked: set[str], short_names: set[str]) -> None:
        self.linked = tuple(key.rpartition(".")[2] for key in linked)
        self.short_names = short_names
        self.definitions: dict[str, Any] = {}

    def setting(self, setting: Setting) -> dict[str, Any]:
        """A key's value, with its default and description."""
        described: dict[str, Any] = {"anyOf": [*self.kinds(setting.type), {"$ref": "#/$defs/reference"}]}
        if isinstance(setting.default, (bool, int, float, str)):
            described["default"] = setting.default
        if setting.help and "%" not in setting.help:
            described["description"] = setting.help
        return described

    def kinds(self, kind: Any) -> list[dict[str, Any]]:
        """What a type allows, one schema for each alternative."""
        found: list[dict[str, Any]] = [{"$ref": f"#/$defs/{self.part(base)}"} for base in bases(kind)]
        for member in alternatives(kind):
            origin = typing.get_origin(member)
            if origin is typing.Literal:
                found.append({"enum": list(typing.get_args(member))})
            elif member in _SCALARS:
                found.append({"type": _SCALARS[member]})
            elif (inner := elements(member)) is not None:
                item = {"anyOf": [*self.kinds(inner), {"$ref": "#/$defs/reference"}]}
                mapping = inspect.isclass(origin) and issubclass(origin, Mapping)
                found.append({"type": "object", "additionalProperties": item} if mapping else
                             {"type": "array", "items": item})  # fmt: skip
            elif origin in (tuple, list, Sequence):
                found.append({"type": "array"})
            elif not bases(member):
                found.append({})
        return found

    def part(self, base: Base) -> str:
        """The name of the definition of a class below ``base``."""
        name = f"{base.cls.__name__}{f'_{base.given}' if base.given else ''}"
        if name in self.definitions:
            return name
        self.definitions[name] = {}  # an encoder may hold an encoder
        names = _choices(base.cls, self.short_names)
        choices = [word for short, path in names.items() for word in (short, path)]
        class_path = {"anyOf": [{"enum": choices}, {"type": "string"}]}
        described: dict[str, Any] = {
            "type": "object",
            "properties": {"class_path": class_path, "init_args": {}, "dict_kwargs": {}},
        }
        if base.cls.__module__.startswith(_DESCRIBED):
            described["allOf"] = [self.condition(short, path, base) for short, path in names.items()]
        self.definitions[name] = {"anyOf": [class_path, described]}
        return name

    def condition(self, short: str, path: str, base: Base) -> dict[str, Any]:
        """The arguments of a class, for where it is named."""
        filled = (*base.filled, *(self.linked if base.cls.__name__ == "LightningModule" else ()))
        try:
            known = class_settings(find_class(path, base.cls), base.given, filled)
        except ValueError:  # a class that no configuration can describe
            return {}
        arguments = _mapping({name: self.setting(setting) for name, setting in known.items()})
        given = {"required": ["class_path"], "properties": {"class_path": {"enum": [short, path]}}}
        return {"if": given, "then": {"properties": {"init_args": {"anyOf": [arguments, {"type": "null"}]}}}}


def _choices(base: type, ours: set[str]) -> dict[str, str]:
    """The classes to suggest, by short name; where any module would do, losses."""
    known = known_classes(base)
    if base.__name__ == "Module":
        known = {name: path for name, path in known.items() if name.endswith("Loss") or ".losses." in path}
    internal = ("eurosat_cls.callbacks.", "eurosat_cls.models.base", "eurosat_cls.models.optimization")
    return {name: path for name, path in known.items() if name in ours or not path.startswith(internal)}
