"""A script by which bash and zsh complete commands, options, classes and files.

Not made by jsonargparse 4.53 with shtab 1.13: for ``fit`` alone that had not ended after 15 minutes, as it reaches into
every argument of every class. shtab fed with the settings below gives a script for each shell of 3.5 times the size.
"""

import shlex
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from eurosat_cls.config.settings import (
    Setting,
    alternatives,
    bases,
    class_settings,
    find_class,
    known_classes,
    linked_keys,
    settings_of,
)
from eurosat_cls.config.vocabulary import Vocabulary

SHELLS = ("bash", "zsh")
_MOST_CLASSES = 100  # names to choose from; more, as of metrics, help nobody
_SCRIPT = """\
# Completion of eurosat-cls in bash and zsh: source this file, in ~/.bashrc or ~/.zshrc.
if [ -n "$ZSH_VERSION" ]; then autoload -U +X bashcompinit && bashcompinit; fi
_eurosat_cls() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" options=""
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W {commands} -- "$word"))
        return
    fi
    case "$before" in
{values}
    esac
    case "${{COMP_WORDS[1]}}" in
{options}
    esac
    if [ "${{word#-}}" != "$word" ]; then COMPREPLY=($(compgen -W "$options" -- "$word")); fi
}}
complete -o default -F _eurosat_cls eurosat-cls
"""


def completion(parsers: Mapping[str, Any], words: Vocabulary) -> str:
    """Return the script; where it proposes nothing, the shell proposes files.

    Args:
        parsers: the jsonargparse parser of each command.
        words: the names that the command line knows.
    """
    values: dict[str, str] = {"--ckpt_path": "best last"}
    options = {}
    for command, parser in parsers.items():
        known = {**settings_of(parser), **_inside(parser)}
        values |= {f"--{name}": found for name, setting in known.items() if (found := _values(setting, words.names))}
        options[command] = " ".join(["--config", "--help", "--print_config", *(f"--{name}" for name in known)])
    return _SCRIPT.format(
        commands=shlex.quote(" ".join([*parsers, *words.other_commands])),
        values="\n".join(
            f'        {"|".join(names)}) COMPREPLY=($(compgen -W {shlex.quote(found)} -- "$word")); return ;;'
            for found, names in _grouped(values).items()
        ),
        options="\n".join(
            f"        {'|'.join(names)}) options={shlex.quote(found)} ;;" for found, names in _grouped(options).items()
        ),
    )


def _inside(parser: Any) -> dict[str, Setting]:
    """The settings of all models and data modules, as options that reach into them."""
    linked = linked_keys(parser)
    found: dict[str, Setting] = {}
    for group in ("model", "data"):
        for base in bases(settings_of(parser)[group].type):
            for path in known_classes(base.cls).values():
                if path.startswith("eurosat_cls."):
                    inner = class_settings(find_class(path, base.cls), base.given)
                    found |= {f"{group}.init_args.{name}": setting for name, setting in inner.items()}
    return {name: setting for name, setting in found.items() if name not in linked}


def _values(setting: Setting, short_names: set[str]) -> str:
    """What the value of an option can be, where that is a choice."""
    found: list[str] = []
    for member in alternatives(setting.type):
        if member is bool:
            found += ["true", "false"]
        elif typing.get_origin(member) is typing.Literal:
            found += [str(value) for value in typing.get_args(member)]
    names = [name for base in bases(setting.type) for name in _classes(base.cls, short_names)]
    return " ".join(dict.fromkeys([*found, *(names if len(names) <= _MOST_CLASSES else [])]))


def _classes(base: type, short_names: set[str]) -> list[str]:
    """Short names of the classes below ``base``, of our own only those that are meant to be named."""
    known = {name: path.startswith("eurosat_cls.") for name, path in known_classes(base).items()}
    return [name for name, ours in known.items() if name in short_names or not (ours or name == base.__name__)]


def _grouped(meanings: Mapping[str, str]) -> dict[str, Iterable[str]]:
    """The names that mean the same, by what they mean."""
    grouped: dict[str, list[str]] = {}
    for name, meaning in meanings.items():
        grouped.setdefault(meaning, []).append(name)
    return dict(grouped)
