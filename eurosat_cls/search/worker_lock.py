"""Tell whether the process that runs a trial is still there."""

import secrets
import socket
import time
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

BEAT_SECONDS = 30.0  # how often a running trial's beat is counted up
SILENT_SECONDS = 300.0  # a trial of another machine whose beat has stood still for so long is given up


class WorkerLock:
    """This process as the others of a study see it: a lock file that the system frees when the process dies.

    Args:
        folder: where the lock file lies.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder.resolve() / f".{secrets.token_hex(8)}.lock"
        self._lock = FileLock(self.path)
        self._lock.acquire(timeout=0)
        self._seen: dict[int, tuple[Any, float]] = {}

    @property
    def tag(self) -> dict[str, str]:
        """What is noted in a trial of this process."""
        return {"host": socket.gethostname(), "lock": str(self.path)}

    def close(self) -> None:
        """Be gone."""
        self._lock.release()
        self.path.unlink(missing_ok=True)

    def is_gone(self, number: int, tag: dict[str, str] | None, beat: Any) -> bool:
        """Whether the process of a running trial is dead.

        On this machine its lock file tells at once. For another machine, or without the file, a beat that is not
        counted up while this process looks on tells after ``SILENT_SECONDS``; no clocks are compared.

        Args:
            number: of the trial.
            tag: what the process noted in it; None when it did not get so far.
            beat: the trial's present beat.
        """
        if tag and tag["host"] == socket.gethostname() and Path(tag["lock"]).is_file():
            lock = FileLock(tag["lock"])
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return False
            lock.release()
            return True
        before, since = self._seen.get(number, (None, 0.0))
        if number not in self._seen or before != beat:
            self._seen[number] = (beat, time.monotonic())
            return False
        return time.monotonic() - since > SILENT_SECONDS
