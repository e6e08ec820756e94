"""From the arguments of a command to its checked configuration."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jsonargparse
import yaml

from eurosat_cls.config.checks import check
from eurosat_cls.config.completion import SHELLS, completion
from eurosat_cls.config.compose import Composition, compose
from eurosat_cls.config.mistakes import explain
from eurosat_cls.config.printed import annotated
from eurosat_cls.config.schema import schema
from eurosat_cls.config.settings import settings_of
from eurosat_cls.config.tree import plain
from eurosat_cls.utils.errors import UserError


def parse(parser: Any, commands: Mapping[str, Any], args: Sequence[str]) -> tuple[Any, Composition]:
    """Parse a command line whose settings come from files and options.

    Args:
        parser: the parser of the whole command line, for what is not about one command.
        commands: the parser of each command.
        args: the name of a command, and its arguments.

    Returns:
        The namespace of the command line as jsonargparse makes it, and how it came to be.

    Raises:
        UserError: for anything wrong, in one to four lines.
        SystemExit: after help, or a configuration that was to be printed.
    """
    command, own = args[0], commands[args[0]]
    keys = {name: {key.partition(".")[0] for key in settings_of(other)} for name, other in commands.items()}
    composed = compose(args[1:], command, keys)
    config = plain(composed.tree)
    if composed.asked.help:
        parser.parse_args([command, *(["--config", yaml.safe_dump(config)] if config else []), *composed.asked.help])
    if (kind := composed.asked.print_completion) is not None:
        if kind not in ("jsonschema", *SHELLS):
            raise UserError(f"--print_completion: {kind!r} is not known; there are jsonschema, {', '.join(SHELLS)}.")
        print(json.dumps(schema(commands)) if kind == "jsonschema" else completion(commands))
        raise SystemExit(0)
    for warning in composed.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    printing = composed.asked.print_config is not None
    try:
        parsed = own.parse_object(config, _skip_required=printing)
    except UserError as error:
        if (explained := explain(own, composed.tree, command, keys)) is None:
            raise
        raise UserError(explained) from error
    if (wrong := check(own, composed.tree, parsed.as_dict())) is not None:
        raise UserError(wrong)
    if printing:
        _print(own, parsed, composed)
    # jsonargparse leaves its Namespace untyped
    return jsonargparse.Namespace({"subcommand": command, command: parsed}), composed  # type: ignore[no-untyped-call]


def _print(parser: Any, parsed: Any, composed: Composition) -> None:
    """Print the configuration with the origins of its values, and end."""
    given = composed.asked.print_config or ""
    flags = [flag for flag in given.split(",") if flag]
    if strange := set(flags) - {"skip_default", "skip_unset"}:
        raise UserError(f"--print_config={given}: {sorted(strange)[0]!r} is none of skip_default and skip_unset.")
    chosen = {flag: flag in flags for flag in ("skip_default", "skip_unset")}
    text = parser.dump(parsed, skip_validation=True, format="yaml", **chosen)
    print(annotated(yaml.safe_load(text) or {}, composed.tree, composed.dropped), end="")
    raise SystemExit(0)
