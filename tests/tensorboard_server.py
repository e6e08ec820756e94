"""A TensorBoard that a test looks at."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HANGS_AFTER = 600.0  # seconds without an answer: no test waits for it, a hang is told by it


def wait_until(true: Callable[[], bool], what: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until something is true, as long as a process lives."""
    end = time.monotonic() + HANGS_AFTER
    while not true():
        assert process.poll() is None, f"ended with {process.returncode} before {what}"
        assert time.monotonic() < end, f"still not: {what}"
        time.sleep(0.1)


@contextmanager
def tensorboard(folder: Path, shows: str, of: str) -> Iterator[str]:
    """Serve the runs of a folder on a port that the system chooses; give the address once a page has a text.

    Args:
        folder: of the runs.
        shows: text that is waited for.
        of: path of the page that shall have it.
    """
    log = folder / "tensorboard.txt"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", "127.0.0.1", "--port", "0"]
    with open(log, "wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    try:
        wait_until(lambda: _address(log) is not None, "TensorBoard listens", process)
        address = _address(log)
        assert address is not None
        wait_until(lambda: shows in read(f"{address}/{of}").decode(), f"TensorBoard has read {shows}", process)
        yield address
    finally:
        process.terminate()
        process.wait()


def _address(log: Path) -> str | None:
    found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
    return found[0] if found else None


def read(address: str) -> bytes:
    """What a server answers."""
    with urllib.request.urlopen(address, timeout=HANGS_AFTER) as answer:
        return bytes(answer.read())
