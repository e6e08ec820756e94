"""Names of classes and files as text: no markup, no command to a terminal, and of one form."""

import re
import sys
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # rich is loaded when a table is printed
    from rich.table import Table

# Control characters but tab and line feed; what turns the direction of text or ends lines; bytes that are not in UTF-8.
_UNPRINTABLE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return text with what a terminal would obey, and what cannot be written as UTF-8, spelt with backslashes.

    Example:
        >>> printable("\x1b[2J Stra\udcdfe.png")
        '\\x1b[2J Stra\\udcdfe.png'
    """
    return _UNPRINTABLE.sub(_spelt, text)


def class_label(text: str) -> str:
    r"""Return the name of a class as it is called everywhere: in Unicode's form NFC, in one line, and printable.

    Example:
        >>> class_label("Fore\u0302t\n") == "For\u00eat\\n"
        True
    """
    return re.sub(r"[\n\t]", _spelt, printable(unicodedata.normalize("NFC", text)))


def print_table(*tables: "Table") -> None:
    """Print tables whose texts are taken as they are, 120 letters wide where there is no terminal."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120, markup=False, emoji=False)
    for table in tables:
        console.print(table)


def _spelt(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
