"""What the command line calls things, handed to the rooms that explain and complete configurations."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Vocabulary(NamedTuple):
    """The names that the command line knows.

    Attributes:
        classes: those that a configuration may call by their short names.
        losses: those of them that are losses.
        other_commands: commands that take no configuration.
        meant: keys by what they are called elsewhere.
    """

    classes: tuple[type, ...]
    losses: tuple[type, ...] = ()
    other_commands: tuple[str, ...] = ()
    meant: Mapping[str, str] = MappingProxyType({})

    @property
    def names(self) -> set[str]:
        """The short names."""
        return {cls.__name__ for cls in self.classes}

    def below(self, base: type) -> list[type]:
        """The classes with short names that are made from ``base``; where any module would do, losses."""
        general = base.__name__ == "Module"  # encoders are modules too, but only a loss is asked for so
        return [cls for cls in (self.losses if general else self.classes) if issubclass(cls, base)]
