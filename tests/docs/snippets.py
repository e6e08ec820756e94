"""The snippets of README and documentation: where they are, and what they are marked with."""

import re
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from tests.conftest import REPOSITORY

# A comment in the line before a fence says why it is not run, what does it instead, or what else than usual it is.
MARK = re.compile(r"not run: .{10,}|run by tests/[\w/]+\.py|run as a space", re.DOTALL)
_FENCE = re.compile(
    r"(?:^ *<!-- *(?P<mark>(?:(?!-->).)*?) *-->\n)?^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[^\n`]*)\n"
    r"(?P<text>.*?)^ *(?P=ticks) *$",
    re.MULTILINE | re.DOTALL,
)


class Snippet(NamedTuple):
    """What stands in a fence.

    Attributes:
        place: file and line, for messages.
        language: the word behind the ticks.
        text: the lines between, without a common indentation.
        mark: the comment in the line before, if there is one.
    """

    place: str
    language: str
    text: str
    mark: str


def pages() -> list[Path]:
    """README and what is written in ``docs``, without what is made when the site is built."""
    found = sorted((REPOSITORY / "docs").rglob("*.md"))
    return [REPOSITORY / "README.md", *(path for path in found if not {"generated", "_build"} & set(path.parts))]


def name_of(page: Path) -> str:
    """A page as messages name it."""
    return page.relative_to(REPOSITORY).as_posix()


def snippets(page: Path) -> list[Snippet]:
    """All fences of a page, but for the directives that the site is built with."""
    text, found = page.read_text(encoding="utf-8"), []
    for fence in _FENCE.finditer(text):
        language = fence["language"].strip()
        if not language.startswith("{"):
            line = text.count("\n", 0, fence.start("ticks")) + 1
            found.append(Snippet(f"{name_of(page)}:{line}", language, dedent(fence["text"]), fence["mark"] or ""))
    return found


def own_modules(page: Path) -> dict[str, str]:
    """The files that Python snippets of a page are by their first line, ``# name.py``."""
    found = {}
    for snippet in snippets(page):
        if snippet.language == "python" and (named := re.match(r"# (\w+\.py)\n", snippet.text)):
            found[named[1]] = snippet.text
    return found
