"""Wall: no name of a file, a class or a setting steers a terminal.

What a command prints has its control characters escaped, as Python would write them, but for line ends and tabs. Tables
and progress bars are drawn by rich and tqdm, which steer on purpose; names that go into tables are escaped before.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from eurosat_cls.utils.text import printable

_DRAWING = ("rich.", "tqdm.")  # modules that move the cursor


class _Escaping:
    """A stream of text that escapes what is written to it by others than :data:`_DRAWING`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        drawn = sys._getframe(1).f_globals.get("__name__", "").startswith(_DRAWING)
        return self._stream.write(text if drawn else printable(text))

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self._stream.write(printable(line))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def escaped_output() -> Iterator[None]:
    """Escape what is printed inside the block."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Escaping(streams[0]), _Escaping(streams[1])  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
