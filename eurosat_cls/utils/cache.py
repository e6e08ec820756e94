"""The folder for everything that can be made again, its locks, and its errors in plain words."""

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.locks import locked

_WAY_OUT = "make room or set EUROSAT_CACHE to another folder"
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file size limit is reached",
    errno.EROFS: "it is read-only",
    errno.EACCES: "it is not writable",
    errno.EPERM: "it is not writable",
    errno.ENOTDIR: "a part of its path is a file",
    errno.EEXIST: "a part of its path is a file",
    errno.ENAMETOOLONG: "its path is too long",
}


def cache_folder() -> Path:
    """Return the cache folder: ``EUROSAT_CACHE``, else ``eurosat_cls`` in the user's cache folder."""
    if chosen := os.environ.get("EUROSAT_CACHE"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "eurosat_cls"


class plain_errors:
    """Turn the operating system's refusals to write below ``folder`` into a ``UserError`` that names the way out.

    No generator: from Python 3.12 on, an error that replaces another in one is part of a reference cycle, which keeps
    the caller's variables, memory-mapped stores too, until the next garbage collection.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and (reason := _REASONS.get(error.errno or 0)) is not None:
            raise UserError(f"cannot write to {self.folder}: {reason} ({error.strerror}); {_WAY_OUT}") from error


def require_space(folder: Path, num_bytes: int) -> None:
    """Raise ``UserError`` when the disk of ``folder`` (which exists) has less than ``num_bytes`` free."""
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        need = f"{num_bytes / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB are free"
        raise UserError(f"cannot write to {folder}: {need}; {_WAY_OUT}")


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file ``path`` (its folder is created), so that one process at a time does ``what``.

    The operating system drops the lock of a killed process. A process that has to wait says so once on stderr.
    """
    with ExitStack() as stack:
        with plain_errors(path.parent):
            stack.enter_context(locked(path, what, seconds=None))
        yield
