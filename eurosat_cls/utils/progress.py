"""Show that long work moves on: a bar on a terminal, a few plain lines in a log file."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

QUIET_SECONDS = 0.5  # work that ends sooner prints nothing


class _Display:
    """Count steps and draw them on stderr once the work has lasted ``QUIET_SECONDS``."""

    def __init__(self, total: int | None, label: str, unit: str, start: int) -> None:
        self.total, self.label, self.unit = total, label, unit
        self.start = self.done = start
        self.fifths = 5 * start // total if total else 0
        self.started = time.monotonic()
        self.visible = False
        self.bar: Any = None
        self.task: Any = None

    def advance(self, n: int = 1) -> None:
        self.done += n
        if not self.visible and time.monotonic() - self.started >= QUIET_SECONDS:
            self._show()
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done, rate=self._rate())
        elif self.visible and self.total and 5 * self.done // self.total > self.fifths:
            self.fifths = 5 * self.done // self.total
            if self.fifths < 5:
                self._line(f"{20 * self.fifths} %{self._rate(', ')}")

    def _rate(self, before: str = "") -> str:
        """How many of the unit are done in a second, where the unit is worth telling."""
        seconds = time.monotonic() - self.started
        return f"{before}{(self.done - self.start) / seconds:,.0f} {self.unit}/s" if self.unit and seconds else ""

    def close(self, whole: bool) -> None:
        if self.bar is not None:
            self.bar.stop()
        if self.visible:
            state = "done in" if whole else "stopped after"
            self._line(f"{state} {time.monotonic() - self.started:.1f} s{self._rate(', ')}")

    def _show(self) -> None:
        self.visible = True
        # Lightning's bar of a training stands in for stderr: a second one would write over it.
        if not sys.stderr.isatty() or hasattr(sys.stderr, "rich_proxied_file"):
            self._line("started")
            return
        from rich.console import Console  # loading rich takes longer than most work that is never shown
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
        )  # fmt: skip
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.task = self.bar.add_task(self.label, total=self.total, completed=self.done, rate="")
        self.bar.start()

    def _line(self, text: str) -> None:
        print(f"{self.label}: {text}", file=sys.stderr, flush=True)


@contextmanager
def progress(total: int | None, label: str, unit: str = "", start: int = 0) -> Iterator[Callable[[int], None]]:
    """Yield an ``advance(n=1)`` function and draw what it counts on stderr.

    A terminal gets a bar; anything else, and a terminal that shows the bar of a training, gets a line at the start,
    about every 20 %, and at the end with the seconds. Work that ends within half a second prints nothing. Call
    ``advance`` from one thread only.

    Args:
        total: number of steps in all; None where it is not known (then only start and end are told).
        label: what is being done, e.g. ``"building the store"``.
        unit: what the steps are, for work whose rate is worth telling.
        start: steps that were done before.
    """
    display = _Display(total, label, unit, start)
    try:
        yield display.advance
    except BaseException:
        display.close(whole=False)
        raise
    display.close(whole=True)
