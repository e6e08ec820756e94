"""Wall: no network unless the user says so.

While a command runs no connection is opened and no name is looked up, by whatever code of whatever library, except
inside :func:`online`: downloads of published data and weights that a setting names, and a scheduler that the user
names; and from when a class is taken that only the user's trust allows (:func:`allow`), such as a logger with a server.
Nothing that reads a file takes the address of something elsewhere. Connections that a library opens in C, such as those
of several training processes to each other, are not seen.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eurosat_cls.utils.errors import UserError

ADDRESS = re.compile(r"://|^data:|^\w[\w+.-]*::")  # what fsspec takes for the address of something elsewhere
_EVENTS = {
    "socket.connect", "socket.sendto", "socket.sendmsg",
    "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo",
}  # fmt: skip

_open: list[bool] = [True]  # for the process: libraries connect in threads of theirs
_watched = False


@contextmanager
def offline() -> Iterator[None]:
    """Refuse connections inside the block, with a UserError from where one is opened."""
    global _watched
    if not _watched:
        sys.addaudithook(_refuse)  # for good: Python takes no hook back
        _watched = True
    yield from _set(False)


@contextmanager
def online(wanted: bool = True) -> Iterator[None]:
    """Allow connections inside the block, if ``wanted``: to where the user has said."""
    yield from _set(wanted or _open[-1])


def allow() -> None:
    """Allow connections for the rest of the innermost block."""
    _open[-1] = True


def check_local(path: str | Path, kind: str) -> None:
    """Refuse an address of something elsewhere, before anything tries to fetch it.

    Raises:
        UserError: with the way out.
    """
    if re.match(r"\w\w+:/", str(path)):  # a Path has made one slash of two
        raise UserError(f"{path}: a {kind} is read from local files only; download it first.")


def _set(state: bool) -> Iterator[None]:
    _open.append(state)
    try:
        yield
    finally:
        _open.pop()


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _EVENTS and not _open[-1]:
        looked_up = event.startswith("socket.get")
        address = arguments[0 if looked_up else 1]
        local = address in (None, "", "localhost") if looked_up else isinstance(address, (str, bytes, type(None)))
        if not local:
            raise UserError(f"a connection to {address} was refused: no setting asked for the network.")
