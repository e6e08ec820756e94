"""Parse a command in milliseconds: the parsers of the command line are made once."""

from typing import Any

from eurosat_cls.cli.configuration import parsers
from eurosat_cls.cli.short_names import VOCABULARY
from eurosat_cls.config.compose import Composition
from eurosat_cls.config.parse import parse
from eurosat_cls.config.parser import closed_parser
from eurosat_cls.config.trust import trusting

__all__ = ["composed", "parsed", "parsers"]


def composed(*args: str) -> tuple[Any, Composition]:
    """Parse a command; return its settings as the parser makes them, and how they came to be."""
    parser, commands = parsers()
    with trusting() as packages, closed_parser(packages):
        config, composition = parse(parser, commands, args, VOCABULARY)
    return config[args[0]], composition


def parsed(*args: str) -> tuple[dict[str, Any], Composition]:
    """Parse a command; return its settings as plain data, and how they came to be."""
    config, composition = composed(*args)
    return config.as_dict(), composition
