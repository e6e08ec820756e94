"""Sort the arguments of a command: configuration files and settings, which are layers, and requests for help."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path

from eurosat_cls.config.files import read, read_text, read_value
from eurosat_cls.config.former_names import is_run_config, present_settings
from eurosat_cls.config.limits import DEEPEST
from eurosat_cls.config.tree import Node
from eurosat_cls.utils.errors import UserError

PAIRS = ("--stretch",)  # options of two numbers, as those of other commands are
_GROUPS_WITH_FILES = ("model", "data", "trainer", "checkpoint")


@dataclass
class Arguments:
    """What was asked for.

    Attributes:
        layers: configurations from the lowest to the uppermost.
        files: the names of those that are files.
        print_config: flags of ``--print_config``, separated by commas, or None without it.
        print_completion: what ``--print_completion`` asks for, or None without it.
        help: requests for help, as they were given.
    """

    layers: list[Node] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    print_config: str | None = None
    print_completion: str | None = None
    help: list[str] = field(default_factory=list)


def sort(args: Sequence[str]) -> Arguments:
    """Sort arguments, read the files among them, and make a layer of every setting.

    Wherever they stand, files of whole configurations are the lowest layers, then files of ``--model``, ``--data`` and
    such, then single settings, then files of ``--overlay``, which is for programs that vary what others have written.

    Raises:
        UserError: for a file that cannot be read, an option without a value, or a value without an option.

    Example:
        >>> from eurosat_cls.config.tree import plain
        >>> [plain(layer) for layer in sort(["--trainer.max_epochs", "3", "--data=Demo"]).layers]
        [{'trainer': {'max_epochs': '3'}}, {'data': 'Demo'}]
        >>> [plain(layer) for layer in sort(["--data", "Demo", "--config", "{data: EuroSAT}"]).layers]
        [{'data': 'EuroSAT'}, {'data': 'Demo'}]
    """
    result = Arguments()
    ranked: list[tuple[int, Node]] = []
    rest = list(args)
    while rest:
        option, equals, value = rest.pop(0).partition("=")
        if not re.match(r"--\w|-[ch]$", option):
            raise UserError(f"{option!r} is no option; settings are given as --key value.")
        if option == "--print_config":
            result.print_config = value
        elif option in ("-h", "--help") or option.endswith(".help"):
            result.help.append(option + equals + value)
            if option.endswith(".help") and not equals and rest and not rest[0].startswith("-"):
                result.help.append(rest.pop(0))
        else:
            if not equals:
                if not rest or re.match(r"--?[A-Za-z]", rest[0]):
                    raise UserError(f"{option} needs a value: {option} VALUE.")
                value = rest.pop(0)
                if option in PAIRS and rest and not value.startswith("["):
                    value = f"[{value}, {rest.pop(0)}]"
            if option == "--print_completion":
                result.print_completion = value
            elif option in ("-c", "--config"):
                ranked.append((0, _config(value)))
                result.files.append(value)
            elif option == "--overlay":
                ranked.append((3, _config(value)))
            else:
                ranked.append((1 if _is_group_file(option, value) else 2, _setting(option, value)))
    result.layers = [layer for _, layer in sorted(ranked, key=lambda pair: pair[0])]
    return result


def _config(value: str) -> Node:
    """A configuration file, or a configuration itself, as a layer."""
    layer = read_text(value, "text of --config") if value.lstrip().startswith("{") or "\n" in value else read(value)
    if is_run_config(Path(value)):
        layer = present_settings(layer, attrgetter("value"), lambda node, settings: replace(node, value=settings))
    for key in _GROUPS_WITH_FILES:
        child = layer.value.get(key)
        if child is not None and _is_file(child.value):
            layer.value[key] = read(child.value)
    return layer


def _setting(option: str, text: str) -> Node:
    """``--a.b.c text`` as a layer; text stays text until its key says which type it has."""
    keys = option.removeprefix("--").split(".")
    if len(keys) > DEEPEST:
        raise UserError(f"{option[:80]}...: nested more than {DEEPEST} deep.")
    if _is_group_file(option, text):
        node = read(text)
    else:
        node = read_value(text, option, key=keys[-1]) if text.lstrip().startswith(("[", "{")) else Node(text, option)
    for key in reversed(keys):
        node = Node({key: node}, option, partial=True)
    return node


def _is_group_file(option: str, text: str) -> bool:
    return option.removeprefix("--") in _GROUPS_WITH_FILES and _is_file(text)


def _is_file(value: object) -> bool:
    return isinstance(value, str) and value.endswith((".yaml", ".yml", ".json"))
