"""Pages of the reference, made from parsers, signatures and docstrings, so that they cannot say anything else."""

import argparse
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any
from unittest.mock import patch

import eurosat_cls
from eurosat_cls.cli import short_names
from eurosat_cls.cli.commands import CONFIGURED, OTHERS
from eurosat_cls.cli.configuration import parsers
from eurosat_cls.cli.first_options import FIRST
from eurosat_cls.cli.help import answer
from eurosat_cls.cli.other_commands import COMMANDS
from eurosat_cls.config.roles import LISTED
from eurosat_cls.config.settings import Base, Setting, bases, class_settings, settings_of, shown, type_text
from eurosat_cls.embeddings import BandsEncoder, PositionEncoder
from eurosat_cls.export import ExportOptions
from eurosat_cls.models.autoencoder import AutoEncoder
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.scenes.settings import MapOptions
from eurosat_cls.utils.files import write_text

CONFIGS = Path(__file__).parents[1] / "configs"
MADE = "% Made by docs/reference_pages.py when the site is built: change the code, not this page.\n\n"
# What follows from the data, and is filled in by the command line.
FROM_DATA = ("class_names", "bands", "class_counts", "train_patches", "mean", "std", "unit", "input_statistics", "task")


def write_pages(folder: Path) -> None:
    """Write all pages into a folder, but for those that say the same already: Sphinx reads what is newer."""
    pages = {
        "commands": commands,
        "keys": configuration_keys,
        "classes": classes,
        "python": python,
        "configurations": configurations,
    }
    for name, page in pages.items():
        path, text = folder / f"{name}.md", MADE + page()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


# --- commands ----------------------------------------------------------------------------------------------------


class _Caught(Exception):
    """The parser of a command."""


def parser_of(command: str) -> argparse.ArgumentParser:
    """Return the parser that a command without a configuration makes."""

    def caught(self: argparse.ArgumentParser, *_: Any) -> Any:
        raise _Caught(self)

    with patch.object(argparse.ArgumentParser, "parse_known_args", caught):
        try:
            COMMANDS[command]([])
        except _Caught as found:
            parser: argparse.ArgumentParser = found.args[0]
    return parser


def commands() -> str:
    """Every command with its options."""
    overview = answer(["--help"], lambda arguments: None)
    parts = ["# Commands", _fence(overview or "", "text"), "## Commands that take a configuration", _OF_ALL]
    light = parsers(())[1]
    for name, text in CONFIGURED.items():
        rows = [(_code(f"{one.name} {one.value}".strip()), "", one.text) for one in FIRST if name in one.commands]
        first = {one.name for one in FIRST if name in one.commands}
        own = [setting for key, setting in settings_of(light[name]).items() if f"--{key}" not in first]
        rows += [(_code(f"--{one.name}"), _default(one).replace("`null`", ""), one.help) for one in own]
        parts += [f"### {name}", f"{text[0].upper()}{text[1:]}.", _table(_HEAD, rows)]
    parts.append("## Other commands")
    for name in OTHERS:
        parser = parser_of(name)
        parts += [f"### {name}", _prose(parser.description or OTHERS[name])]
        groups: dict[str, list[tuple[str, str, str]]] = {}
        for group in parser._action_groups:
            title = "" if group.title in ("positional arguments", "options") else f"**{group.title}**"
            groups.setdefault(title, []).extend(_row(one) for one in group._group_actions if one.dest != "help")
        parts += [part for title, rows in groups.items() if rows for part in (title, _table(_HEAD, rows))]
    return _page(parts)


_HEAD = ("option", "default", "what it is")
_OF_ALL = """\
Each takes the [keys of a configuration](keys.md) as options too. The tables name those that are needed first, and the
options that only that command has."""


def _row(action: argparse.Action) -> tuple[str, str, str]:
    head = action.dest.upper()
    if action.option_strings:
        choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else head
        value = "" if action.nargs == 0 else action.metavar or choices
        head = f"{action.option_strings[-1]} {' '.join(value) if isinstance(value, tuple) else value}".strip()
    default = "" if action.default in (None, False, [], argparse.SUPPRESS) else _code(shown(action.default, 60, False))
    return _code(head), default, action.help or ""


def configuration_keys() -> str:
    """Every key of a training."""
    found = settings_of(parsers(("fit",))[1]["fit"])
    parts = ["# Keys of a configuration", _KEYS]
    groups: dict[str, list[Setting]] = {}
    for name, setting in found.items():
        groups.setdefault(name.partition(".")[0] if "." in name else "", []).append(setting)
    for group, settings in sorted(groups.items()):
        parts += [f"## {group}" if group else "## At the top", _settings(settings)]
    return _page(parts)


_KEYS = """\
As a line of YAML each is nested at its dots; as an option it is `--trainer.max_epochs 3`. What `model`, `data` and
whatever else has a `class_path` take under `init_args` stands with their [classes](classes.md)."""


# --- classes -----------------------------------------------------------------------------------------------------


def _groups() -> Iterable[tuple[str, str, Sequence[type], int, Sequence[str]]]:
    """Title, the key that they stand at, classes, and what they are handed when they are built."""
    names = short_names
    model = class_settings(Classifier, filled=FROM_DATA)
    encoder, decoder, loss = (_given(model[key]) for key in ("encoder", "decoder", "loss"))
    positions = [cls for cls in names.EMBEDDINGS if issubclass(cls, PositionEncoder)]
    bands = [cls for cls in names.EMBEDDINGS if issubclass(cls, BandsEncoder)]
    pictures = {cls.__name__ for cls in names.PICTURES}
    own = sorted(LISTED["Callback"]["eurosat_cls.callbacks"] - pictures)
    callbacks = [getattr(import_module("eurosat_cls.callbacks"), name) for name in own]
    metrics = [
        getattr(import_module("eurosat_cls.metrics"), name) for name in sorted(LISTED["Metric"]["eurosat_cls.metrics"])
    ]
    yield "Models", "model", names.MODELS, 0, FROM_DATA
    yield "Data", "data", names.DATA, 0, ()
    yield "Encoders", "model.init_args.encoder", names.ENCODERS, encoder.given, encoder.filled
    yield "Positions", "model.init_args.encoder.init_args.position_encoder", positions, 1, ()
    yield "Bands", "model.init_args.encoder.init_args.bands_encoder", bands, 2, ()
    yield "Decoders", "model.init_args.decoder", names.DECODERS, decoder.given, decoder.filled
    yield "Losses", "model.init_args.loss", names.LOSSES, loss.given, ("weight",)
    yield "Splits", "data.init_args.split", names.SPLITS, 0, ()
    yield "Augmentations", "data.init_args.augment", names.AUGMENTATIONS, 0, ()
    yield "Pictures", "pictures", names.PICTURES, 0, ()
    others = [cls for cls in names.TRAINING if cls.__name__ not in LISTED["Callback"]["eurosat_cls.callbacks"]]
    yield "Masking and weights", "model.init_args", others, 0, ()
    yield "Callbacks", "trainer.callbacks", callbacks, 0, ()
    yield "Metrics", "model.init_args.metrics", metrics, 0, ()


def _given(setting: Setting) -> Base:
    return bases(setting.type)[0]


def classes() -> str:
    """Every class that a configuration may name, with its keys."""
    parts = ["# Classes", _CLASSES]
    for title, key, members, given, filled in _groups():
        parts += [f"## {title}", f"At `{key}`."]
        for cls in members:
            parts += [f"### {cls.__name__}", *_described(cls)]
            own = class_settings(cls, given, filled)
            parts.append(_settings(list(own.values())) if own else "It has no keys.")
    parts += ["## Of other packages", _OTHERS]
    rows = [(role, _code(module), ", ".join(map(_code, sorted(names)))) for role, lists in LISTED.items()
            for module, names in lists.items() if not module.startswith("eurosat_cls")]  # fmt: skip
    return _page([*parts, _table(("as", "of", "classes"), rows)])


_CLASSES = """\
Each is named by `class_path`, as `ResNet` or as `eurosat_cls.encoders.ResNet`, and its keys stand under `init_args`.
What follows from the data (bands, classes, counts, statistics), and what a network hands to its parts, is filled in and
is no key."""
_OTHERS = "A configuration may name these by their import path, and everything of a package that you `--trust`."


def _described(thing: Any) -> list[str]:
    """What a docstring says besides the arguments."""
    found = _sections(inspect.getdoc(thing) or "")
    parts = [_prose(found[""])]
    for name in ("Returns", "Raises", "Source"):
        if name in found:
            parts.append(f"**{name}:** {re.sub(chr(10) + ' +', ' ', _prose(found[name]))}")
    return [*parts, *([_fence(found["Example"], "pycon")] if "Example" in found else [])]


def _sections(doc: str) -> dict[str, str]:
    parts = re.split(r"^(Args|Attributes|Example|Examples|Raises|Returns|Source|Yields):", doc, flags=re.MULTILINE)
    return {"": parts[0], **{name: dedent(text).strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}}


# --- Python ------------------------------------------------------------------------------------------------------


def python() -> str:
    """What ``eurosat_cls`` itself offers, and the options of maps and exports."""
    parts = [
        "# Python",
        "What `import eurosat_cls` offers. Settings of its classes stand with the [classes](classes.md).",
    ]
    names = [name for name in eurosat_cls.__all__ if not name.startswith("__")]
    things = [(f"eurosat_cls.{name}", getattr(eurosat_cls, name)) for name in names]
    things += [("eurosat_cls.export.export_model", import_module("eurosat_cls.export").export_model)]
    things += [
        ("eurosat_cls.scenes.settings.MapOptions", MapOptions),
        ("eurosat_cls.export.ExportOptions", ExportOptions),
    ]
    for path, thing in things:
        parts += [f"## {path.rpartition('.')[2]}", _fence(f"{path}{_signature(thing)}", "text"), *_described(thing)]
        doc = _sections(inspect.getdoc(thing) or "")
        if (about := doc.get("Args") or doc.get("Attributes")) and thing not in (Classifier, AutoEncoder):
            found = re.findall(r"^(\w+): (.*(?:\n +.*)*)", about, re.MULTILINE)
            parts.append(_table(("argument", "what it is"), [(_code(name), text) for name, text in found]))
    return _page(parts)


def _signature(thing: Callable[..., Any]) -> str:
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return ""
    parameters = [one for one in inspect.signature(thing).parameters.values() if one.name != "self"]
    plain = [str(one.replace(annotation=inspect.Parameter.empty)) for one in parameters]
    texts = [re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text) for text in plain]
    return "(\n" + "".join(f"    {text},\n" for text in texts) + ")"


# --- configurations ----------------------------------------------------------------------------------------------


def configurations() -> str:
    """The files of ``configs``, whole."""
    parts = ["# Configurations", "The files that come with the package, whole. A space says what a `search` varies."]
    for path in sorted(CONFIGS.rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(CONFIGS).as_posix()
        parts += [f"## {name}", _fence(text, "yaml")]
    return _page(parts)


# --- Markdown ----------------------------------------------------------------------------------------------------


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _fence(text: str, language: str) -> str:
    return f"```{language}\n{text.strip()}\n```"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _prose(text: str) -> str:
    """Turn a docstring's marks into Markdown's."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?([^`]+)`", r"`\1`", text)
    return re.sub(r"``(.+?)``", r"`\1`", text, flags=re.DOTALL).strip()


def _default(setting: Setting) -> str:
    return "" if setting.required else _code(shown(setting.default, 60, False) or "''")


def _settings(settings: Sequence[Setting]) -> str:
    rows = [(_code(one.name), _code(type_text(one.type)), _default(one) or "**needed**", one.help) for one in settings]
    return _table(("key", "type", "default", "what it is"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [[_prose(cell).replace("\n", " ").replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [list(head), ["---"] * len(head), *lines])
