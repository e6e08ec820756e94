"""Two at once: what one process writes, no other one writes meanwhile.

A lock is a file that the system frees when its process dies. Who cannot have it waits, or is refused with the process
that holds it. A link is no lock.
"""

import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import growing

if sys.platform != "win32":
    import fcntl


@contextmanager
def locked(path: Path, what: str, way_out: str = "wait for it", seconds: float | None = 0.0) -> Iterator[None]:
    """Hold a lock file, whose folder is created.

    Args:
        path: of the lock file.
        what: is locked, for messages.
        way_out: for whom it is refused.
        seconds: to wait; None for as long as it takes, which is said once on stderr.

    Raises:
        UserError: when another process holds it, naming that, or where files cannot be locked.
        OSError: when the system does not let it be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _refuse_link(path)
    holder = _holder(path)
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=1 if seconds is None else seconds)
        except Timeout:
            if seconds is not None:
                raise UserError(f"{what}: in use by {holder}; {way_out}.") from None
            print(f"waiting for {holder} to finish {what}", file=sys.stderr, flush=True)
            lock.acquire()
    except NotImplementedError:
        raise UserError(f"{path.parent}: files cannot be locked there; use a folder on a local disk.") from None
    try:
        with suppress(OSError), growing(path) as stream:  # for messages only
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether another process holds a lock file, which exists; a link is none."""
    _refuse_link(path)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def share(path: Path) -> int | None:
    """Note that this process uses a file, as long as the returned descriptor is open; None where that cannot be noted.

    Others may note the same at the same time, and none has to wait. The system forgets it when the process dies.
    """
    if sys.platform == "win32":  # what is open there cannot be removed anyway
        return None
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return descriptor
    return None


@contextmanager
def unshared(path: Path) -> Iterator[bool]:
    """Yield whether nobody has noted by :func:`share` that a file is used."""
    if sys.platform == "win32":
        yield True
        return
    with open(path, "rb+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _refuse_link(path: Path) -> None:
    with suppress(FileNotFoundError):
        there = path.lstat()
        if not stat.S_ISREG(there.st_mode) or there.st_nlink > 1:  # some versions of filelock empty what they open
            raise UserError(f"{path}: refused, it is a link and no lock.")


def _holder(path: Path) -> str:
    """The process that says it holds the lock."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read(200).strip() or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"
