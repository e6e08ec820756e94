"""Signals that end a command: at once, or where a training can be continued from."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C, and what systems send before they end a process


class Stopped(BaseException):
    """A signal has asked for the end; like KeyboardInterrupt it is no Exception, so that nothing holds it up.

    Attributes:
        signal: which one.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = signal.Signals(number)

    @property
    def exit_code(self) -> int:
        """What shells make of a process that was ended by the signal: 130 of SIGINT, 143 of SIGTERM."""
        return 128 + self.signal


class StopRequest:
    """Notes the first signal that asks for the end, for those who look when it suits them; the second one kills.

    Attributes:
        signal: the signal, or None until one has come.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def listen(self) -> None:
        """Begin to note signals; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in STOPPING}

    def close(self) -> None:
        """Let signals do again what they did before."""
        _restore(self._before)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        for again in STOPPING:
            signal.signal(again, signal.SIG_DFL)


@contextmanager
def stopping() -> Iterator[None]:
    """Raise :class:`Stopped` in the block at a signal that asks for the end; in the main thread only."""
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, _stop) for number in STOPPING}
    try:
        yield
    finally:
        _restore(before)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
