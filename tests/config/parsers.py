"""The parsers of the command line, made once: a test then parses in milliseconds."""

import functools
from typing import Any

from eurosat_cls.cli.application import SETTINGS, EuroSATCLI
from eurosat_cls.config.compose import Composition
from eurosat_cls.config.parse import parse
from eurosat_cls.config.trust import closed_parser, trusting


class _Made(Exception):
    pass


class _OnlyParsers(EuroSATCLI):
    def parse_arguments(self, parser: Any, args: Any) -> None:
        raise _Made(parser, self._subcommand_parsers)


@functools.cache
def parsers() -> tuple[Any, dict[str, Any]]:
    """The parser of the command line, and those of its commands."""
    try:
        _OnlyParsers(**SETTINGS, args=[])
    except _Made as made:
        parser, commands = made.args
    return parser, commands


def parsed(*args: str) -> tuple[dict[str, Any], Composition]:
    """Parse a command; return its settings as plain data, and how they came to be."""
    parser, commands = parsers()
    with trusting() as packages, closed_parser(packages):
        config, composition = parse(parser, commands, args)
    return config[args[0]].as_dict(), composition
