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
from eurosat_cls.config.files import check_text
from eurosat_cls.config.mistakes import explain
from eurosat_cls.config.places import check_places
from eurosat_cls.config.printed import annotated
from eurosat_cls.config.roles import check_config
from eurosat_cls.config.schema import schema
from eurosat_cls.config.secrets import check_environment, keep_references
from eurosat_cls.config.settings import settings_of
from eurosat_cls.config.tree import leaves, plain, texts
from eurosat_cls.config.vocabulary import Vocabulary
from eurosat_cls.utils.errors import UserError


def parse(parser: Any, commands: Mapping[str, Any], args: Sequence[str], words: Vocabulary) -> tuple[Any, Composition]:
    """Parse a command line whose settings come from files and options.

    Args:
        parser: the parser of the whole command line, for what is not about one command.
        commands: the parser of each command.
        args: the name of a command, and its arguments.
        words: the names that the command line knows.

    Returns:
        The namespace of the command line as jsonargparse makes it, and how it came to be.

    Raises:
        UserError: for anything wrong, in one to four lines.
        SystemExit: after help, or a configuration that was to be printed.
    """
    command, own = args[0], commands[args[0]]
    keys = _first_keys(commands)
    composed = compose(args[1:], command, keys)
    if composed.asked.help:
        config = plain(composed.tree)
        parser.parse_args([command, *(["--config", yaml.safe_dump(config)] if config else []), *composed.asked.help])
    if (kind := composed.asked.print_completion) is not None:
        if kind not in ("jsonschema", *SHELLS):
            raise UserError(f"--print_completion: {kind!r} is not known; there are jsonschema, {', '.join(SHELLS)}.")
        print(json.dumps(schema(commands, words)) if kind == "jsonschema" else completion(commands, words))
        raise SystemExit(0)
    for warning in composed.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    printing = composed.asked.print_config is not None
    parsed = _checked(own, composed, command, keys, words, printing)
    if printing:
        _print(own, parsed, composed)
    # jsonargparse leaves its Namespace untyped
    return jsonargparse.Namespace({"subcommand": command, command: parsed}), composed  # type: ignore[no-untyped-call]


def read_settings(commands: Mapping[str, Any], args: Sequence[str], words: Vocabulary) -> dict[str, Any]:
    """Return the whole configuration that a command line amounts to as plain data, every default spelt out.

    Args:
        commands: the parser of each command.
        args: the name of a command, and its arguments.
        words: the names that the command line knows.

    Raises:
        UserError: as :func:`parse`, and for arguments that ask for something to be printed.
    """
    command, own = args[0], commands[args[0]]
    keys = _first_keys(commands)
    composed = compose(args[1:], command, keys)
    asked = composed.asked
    if asked.help or asked.print_completion is not None or asked.print_config is not None:
        raise UserError("--help, --print_config and --print_completion go with a command that takes a configuration.")
    for warning in composed.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    parsed = _checked(own, composed, command, keys, words, partial=True)
    settings = yaml.safe_load(own.dump(parsed, skip_validation=True, format="yaml", skip_unset=False))
    return dict(keep_references(settings, composed.tree, secrets=True))


def _first_keys(commands: Mapping[str, Any]) -> dict[str, set[str]]:
    """The first keys that each command takes."""
    return {name: {key.partition(".")[0] for key in settings_of(parser)} for name, parser in commands.items()}


def _checked(
    parser: Any, composed: Composition, command: str, keys: Mapping[str, set[str]], words: Vocabulary, partial: bool
) -> Any:
    """The namespace of a composed configuration; ``partial`` lets what a command needs be missing."""
    for _, node, text in texts(composed.tree, ()):
        check_text(text, node.origin)
    try:
        parsed = parser.parse_object(plain(composed.tree), _skip_required=partial)
    except UserError as error:
        if (explained := explain(parser, composed.tree, command, keys, words)) is None:
            raise
        raise UserError(explained) from error
    # The parser passes over empty mappings, whatever their keys.
    if any(leaf.value == {} for _, leaf in leaves(composed.tree)) and (
        unknown := explain(parser, composed.tree, command, keys, words, only_unknown=True)
    ):
        raise UserError(unknown)
    kinds = {key: setting.type for key, setting in settings_of(parser).items()}
    trusted = check_config(parsed, kinds, composed.place)
    check_places(composed.tree, trusted)
    check_environment(composed.tree, trusted)
    if (wrong := check(parser, composed.tree, parsed.as_dict())) is not None:
        raise UserError(wrong)
    return parsed


def _print(parser: Any, parsed: Any, composed: Composition) -> None:
    """Print the configuration with the origins of its values, and end."""
    given = composed.asked.print_config or ""
    flags = [flag for flag in given.split(",") if flag]
    if strange := set(flags) - {"skip_default", "skip_unset"}:
        raise UserError(f"--print_config={given}: {sorted(strange)[0]!r} is none of skip_default and skip_unset.")
    chosen = {flag: flag in flags for flag in ("skip_default", "skip_unset")}
    text = parser.dump(parsed, skip_validation=True, format="yaml", **chosen)
    settings = keep_references(yaml.safe_load(text) or {}, composed.tree)
    print(annotated(settings, composed.tree, composed.dropped), end="")
    raise SystemExit(0)
