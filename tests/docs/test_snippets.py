"""Every snippet of README and documentation is run, or says why not."""

import ast
import configparser
import doctest
import re
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from eurosat_cls.cli.commands import OTHERS, split_trust
from eurosat_cls.cli.configuration import merged, parsers
from eurosat_cls.cli.help import answer
from eurosat_cls.cli.run_argument import expand
from eurosat_cls.cli.short_names import VOCABULARY
from eurosat_cls.config.parse import read_settings
from eurosat_cls.config.parser import closed_parser
from eurosat_cls.config.shipped import expand_names, find
from eurosat_cls.config.trust import config_folders, trusting
from eurosat_cls.search.space_file import read_space
from tests.conftest import CONFIGS, REPOSITORY
from tests.docs.pages import reference_pages
from tests.docs.snippets import MARK, Snippet, name_of, own_modules, pages, snippets

SETUP = configparser.ConfigParser()
SETUP.read(REPOSITORY / "setup.cfg")
EXTRAS = set(SETUP["options.extras_require"])
HELP = {"-h", "--help", "--help-all", "--version"}
PLUMBING = {"cd", "mkdir", "export", ".", "tensorboard", "pip", "python3"}  # the last two to install and for a venv
PARSED: list[list[str]] = []  # what pages share is parsed once
every_page = pytest.mark.parametrize("page", pages(), ids=name_of)


@pytest.fixture
def place(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what a page speaks of: ``configs``, and its own modules."""
    (tmp_path / "configs").symlink_to(CONFIGS)
    for name, text in own_modules(page).items():
        (tmp_path / name).write_text(text)
        monkeypatch.delitem(sys.modules, Path(name).stem, raising=False)
    return tmp_path


def of(page: Path, *languages: str) -> list[Snippet]:
    return [one for one in snippets(page) if one.language in languages]


def run_here(page: Path, *languages: str) -> list[Snippet]:
    return [one for one in of(page, *languages) if not one.mark.startswith(("not run", "run by"))]


@every_page
def test_marks_and_languages_are_known(page: Path) -> None:
    for one in snippets(page):
        assert one.language in ("bash", "python", "pycon", "yaml", "json", "text"), f"{one.place}: {one.language!r}"
        assert not one.mark or MARK.fullmatch(one.mark), f"{one.place}: {one.mark}"
        if one.language == "text":
            assert not re.search(r"^ *(?:\$ |python|pip|eurosat-cls)", one.text, re.MULTILINE), f"{one.place}: bash"
        if one.mark.startswith("run by"):
            test = REPOSITORY / one.mark.removeprefix("run by ")
            assert page.name in test.read_text(), f"{one.place}: {one.mark}"


# --- shell -------------------------------------------------------------------------------------------------------


def command_lines(text: str) -> list[list[str]]:
    """The words of each command, without comments, variables before it, and what continues a line."""
    text = re.sub(r"\\\n\s*", " ", text)
    found = [shlex.split(part, comments=True) for line in text.splitlines() for part in re.split(r" (?:&&|;) ", line)]
    words = [line[next((n for n, word in enumerate(line) if not re.match(r"\w+=", word)), 0) :] for line in found]
    return [line for line in words if line]


def arguments_of(words: Sequence[str]) -> list[str] | None:
    """What follows the program's name, if it is this one, started by itself or by a launcher."""
    if words[0] == "eurosat-cls":
        return [*words[1:]]
    if wrapped := next((word for word in words if "-m eurosat_cls " in word), None):  # of sbatch --wrap
        return arguments_of(shlex.split(wrapped))
    return [*words[words.index("-m") + 2 :]] if "-m" in words and "eurosat_cls" in words else None


def parse(arguments: list[str]) -> None:
    """Let the parsers of the program read a command line; nothing is built.

    Raises:
        UserError: or ``SystemExit`` for what they refuse.
    """
    given, packages = split_trust(arguments)
    given = expand_names(given, print)
    command, rest = given[0], given[1:]
    if HELP & set(given):
        assert answer(given, lambda asked: None) is not None
    elif command in OTHERS:
        parser = reference_pages.parser_of(command)
        read, of_fit = parser.parse_known_args(rest)
        assert command in ("search", "audit") or not of_fit, of_fit
        if command == "search":
            merged(of_fit)
            if read.space and read.space.is_file():
                read_space(read.space)
    else:
        kept = [word for word in given if not word.startswith(("--print_config", "--print_completion"))]
        with trusting(packages, config_folders(kept)) as trusted, closed_parser(trusted):
            read_settings(parsers((command,))[1], expand_if_there(kept), VOCABULARY)


def provide(page: Path, arguments: list[str]) -> None:
    """Make the configurations that a page speaks of: its own, or a copy of the main one."""
    own = [one.text for one in run_here(page, "yaml") if not one.mark]
    for before, name in pairwise(arguments):
        if before == "--config" and not Path(name).exists() and find(name) is None:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(own[0] if own else (CONFIGS / "tiny_resnet18.yaml").read_text())
            for module, text in own_modules(page).items():
                (Path(name).parent / module).write_text(text)


def expand_if_there(given: list[str]) -> list[str]:
    """``expand``, for which a run has to be there: one that a page speaks of is made of its configuration alone."""
    run = next((word for word in given[1:2] if re.fullmatch(r"lightning_logs/\w+(?:/\w+\.ckpt)?", word)), None)
    if run is not None:
        made = Path(run) / "checkpoints" / "best.ckpt"
        made.parent.mkdir(parents=True, exist_ok=True)
        made.touch()
        (Path(run) / "config.yaml").write_text((CONFIGS / "tiny_resnet18.yaml").read_text())
    return expand(given)


@pytest.mark.slow
@every_page
def test_commands_are_what_the_parsers_take(page: Path, place: Path) -> None:
    for snippet in run_here(page, "yaml"):
        if snippet.mark == "run as a space":
            (place / "my_space.yaml").write_text(snippet.text)
    for snippet in run_here(page, "bash"):
        for words in command_lines(snippet.text):
            where = f"{snippet.place}: {shlex.join(words)}"
            if (arguments := arguments_of(words)) is None:
                assert words[0] in PLUMBING or words == ["python", "-m", "pytest"], (
                    f"{where}: say in a mark why it is not run"
                )
                extras = re.findall(r"\[([\w,]+)\]", " ".join(words) if "pip" in words else "")
                assert {extra for one in extras for extra in one.split(",")} <= EXTRAS, where
                continue
            provide(page, arguments)
            try:
                if "--trust" in arguments or arguments not in PARSED:
                    parse(arguments)
                    PARSED.append(arguments)
            except (Exception, SystemExit) as error:
                raise AssertionError(f"{where}: {error}") from error


# --- configurations ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@every_page
def test_yaml_is_a_configuration(page: Path, place: Path) -> None:
    trust = [word for name in own_modules(page) for word in ("--trust", Path(name).stem)]
    for number, snippet in enumerate(of(page, "yaml")):
        path = place / f"snippet_{number}.yaml"
        path.write_text(snippet.text)
        if snippet not in run_here(page, "yaml"):
            yaml.safe_load(snippet.text)
        elif snippet.mark == "run as a space":
            read_space(path)
        else:
            try:
                merged(["--config", str(CONFIGS / "tiny_resnet18.yaml"), "--config", str(path), *trust])
            except Exception as error:
                raise AssertionError(f"{snippet.place}: {error}") from error


# --- Python ------------------------------------------------------------------------------------------------------


def names_exist(tree: ast.AST, place: str) -> None:
    """Resolve what is imported of this package, and attributes of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("eurosat_cls"):
            module = import_module(str(node.module))
            assert [name.name for name in node.names if not hasattr(module, name.name)] == [], place
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "eurosat_cls":
            assert hasattr(import_module("eurosat_cls"), node.attr), f"{place}: eurosat_cls.{node.attr}"


@every_page
def test_python_names_what_there_is(page: Path) -> None:
    for snippet in of(page, "python"):
        names_exist(ast.parse(snippet.text), snippet.place)
    for snippet in of(page, "pycon"):
        for example in doctest.DocTestParser().get_examples(snippet.text):
            names_exist(ast.parse(example.source), snippet.place)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in pages() if run_here(page, "python", "pycon")], ids=name_of)
def test_python_runs(page: Path, place: Path, trained: None) -> None:
    known: dict[str, Any] = {"__name__": "a_page"}
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for snippet in run_here(page, "python", "pycon"):
        if snippet.language == "python":
            exec(compile(snippet.text, snippet.place, "exec"), known)
        else:
            parsed = doctest.DocTestParser().get_doctest(snippet.text, known, snippet.place, snippet.place, 0)
            assert doctest.DocTestRunner(optionflags=flags).run(parsed, clear_globs=False).failed == 0, snippet.place
