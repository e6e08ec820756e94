"""Tell whether the process that runs a trial is still there."""

import re
import secrets
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from eurosat_cls.utils.locks import is_locked, locked

BEAT_SECONDS = 30.0  # how often a running trial's beat is counted up
_LOCK = re.compile(r"\.[0-9a-f]{16}\.lock")
SILENT_SECONDS = 300.0  # a trial of another machine whose beat has stood still for so long is given up


class WorkerLock:
    """This process as the others of a study see it: a lock file that the system frees when the process dies.

    Args:
        folder: where the lock file lies.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder.resolve() / f".{secrets.token_hex(8)}.lock"
        self._held = ExitStack()
        self._held.enter_context(locked(self.path, str(folder)))
        self._seen: dict[int, tuple[Any, float]] = {}

    @property
    def tag(self) -> dict[str, str]:
        """What is noted in a trial of this process."""
        return {"host": socket.gethostname(), "lock": str(self.path)}

    def _lock_of(self, tag: Any) -> Path | None:
        """The lock file that a process of this machine noted, by its name in this folder: others may have noted it."""
        if not isinstance(tag, dict) or tag.get("host") != socket.gethostname():
            return None
        name = Path(str(tag.get("lock"))).name
        return self.path.with_name(name) if _LOCK.fullmatch(name) else None

    def close(self) -> None:
        """Be gone."""
        self._held.close()
        self.path.unlink(missing_ok=True)

    def is_gone(self, number: int, tag: Any, beat: Any) -> bool:
        """Whether the process of a running trial is dead.

        On this machine its lock file tells at once. For another machine, or without the file, a beat that is not
        counted up while this process looks on tells after ``SILENT_SECONDS``; no clocks are compared.

        Args:
            number: of the trial.
            tag: what the process noted in it; None when it did not get so far.
            beat: the trial's present beat.
        """
        lock = self._lock_of(tag)
        if lock is not None and lock.is_file():
            return not is_locked(lock)
        before, since = self._seen.get(number, (None, 0.0))
        if number not in self._seen or before != beat:
            self._seen[number] = (beat, time.monotonic())
            return False
        return time.monotonic() - since > SILENT_SECONDS
