"""Fetch published files: resumed when broken off, checked, and in place only when whole."""

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import BinaryIO

from eurosat_cls.utils.cache import exclusive, plain_errors, require_space
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import growing, publish
from eurosat_cls.utils.network import online
from eurosat_cls.utils.progress import progress

_BLOCK_BYTES = 2**16
_GOOD_PROGRESS = 2**20  # so many bytes received make an attempt count as no failure
_WORTH_RETRYING = {408, 425, 429, 500, 502, 503, 504}


class _Broken(Exception):
    """The transfer failed in a way that another attempt may mend."""


def fetch(
    url: str,
    destination: Path,
    md5: str | None = None,
    limit: int = 4 * 2**30,
    timeout: float = 8.0,
    retries: int = 4,
    pause: float = 0.5,
    sha256: str | None = None,
) -> Path:
    """Download ``url`` to ``destination`` unless it is there already.

    Bytes go to ``<destination>.part``, which a later attempt, or a later call, resumes. The file gets its name only
    after its checksum is right. One process downloads while others wait.

    Args:
        url: an http or https address.
        destination: the final path; its folder is created.
        md5: expected checksum, hexadecimal; this or ``sha256`` is needed.
        limit: most bytes to accept.
        timeout: seconds without a byte after which the connection counts as lost.
        retries: attempts after the first one; those that bring 1 MiB or more do not count. Nothing is tried again
            when the very first connection fails (no network).
        pause: seconds before the first retry; each further one waits twice as long, at most 8 s.
        sha256: expected checksum of the other kind.

    Raises:
        UserError: when the file cannot be fetched, is not the expected one, or cannot be written.
    """
    assert (md5 is None) != (sha256 is None)
    kind, expected = ("sha256", sha256) if md5 is None else ("md5", md5)
    if not url.startswith(("https://", "http://")):
        raise UserError(f"cannot download {url}: only http and https addresses are supported")
    part = destination.with_name(destination.name + ".part")
    with exclusive(destination.with_name(destination.name + ".lock"), f"the download of {url}"):
        if destination.exists():
            return destination
        with plain_errors(destination.parent):
            _receive_all(url, part, limit, timeout, retries, pause)
            with growing(part) as stream:
                stream.seek(0)
                actual = digest_of(stream, kind)
            if actual != expected:
                part.unlink()
                raise UserError(f"{url} has {kind} {actual}, expected {expected}: removed what was received")
            publish(part, destination)
    return destination


def digest_of(stream: BinaryIO, kind: str) -> str:
    """Return the checksum of a whole stream, hexadecimal; ``kind`` is ``"md5"`` or ``"sha256"``."""
    digest = hashlib.new(kind, usedforsecurity=False)
    while block := stream.read(2**20):
        digest.update(block)
    return digest.hexdigest()


@online()
def _receive_all(url: str, part: Path, limit: int, timeout: float, retries: int, pause: float) -> None:
    """Make attempts until ``part`` is whole."""
    failures, begun = 0, False
    while True:
        before = _size(part)
        try:
            return _receive(url, part, limit, timeout, retry_connecting=begun)
        except _Broken as error:
            received = _size(part) - before
            begun = begun or received > 0
            failures = 1 if received >= _GOOD_PROGRESS else failures + 1
            if failures > retries:
                kept = f"; {_size(part):,} bytes are kept for the next time" if _size(part) else ""
                raise UserError(f"cannot download {url}: {error} ({failures} attempts{kept})") from error
        time.sleep(min(8.0, pause * 2 ** (failures - 1)))


def _receive(url: str, part: Path, limit: int, timeout: float, retry_connecting: bool) -> None:
    """Make one attempt: continue ``part`` where it ends, or start it anew if the server insists."""
    have = _size(part)
    headers = {"User-Agent": "eurosat-cls", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = _opener().open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:
            if _numbers(error.headers)[1] == have:
                return  # nothing is missing
            part.unlink()
            raise _Broken("the server cannot resume") from error
        if error.code in _WORTH_RETRYING:
            raise _Broken(f"the server answers {error.code} {error.reason}") from error
        raise UserError(f"cannot download {url}: the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        dropped = isinstance(reason, ConnectionResetError | http.client.RemoteDisconnected)
        if dropped or (retry_connecting and isinstance(error, OSError)):
            raise _Broken(f"connection lost ({reason})") from error
        raise UserError(f"cannot download {url}: no connection ({reason})") from error
    with response:
        start, total = _numbers(response.headers) if response.status == 206 else (0, None)
        if start not in (0, have):
            part.unlink(missing_ok=True)
            raise _Broken("the server resumed at another place")
        length = response.headers.get("Content-Length", "")
        if length.isdecimal():
            total = start + int(length)
        if (total or 0) > limit:
            raise UserError(f"cannot download {url}: {total:,} bytes announced, more than the limit of {limit:,}")
        require_space(part.parent, (total or 0) - start)
        _copy(url, response, part, start, total, limit)


def _copy(url: str, response: http.client.HTTPResponse, part: Path, start: int, total: int | None, limit: int) -> None:
    """Append the response to ``part`` at ``start``; anything after that is dropped."""
    end = start
    with growing(part) as stream, progress(total, f"downloading {part.stem}") as advance:
        stream.truncate(start)
        advance(start)
        while True:
            try:
                block = response.read1(_BLOCK_BYTES)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise _Broken(f"connection lost after {end:,} bytes ({error})") from error
            if not block:
                break
            end += len(block)
            if end > limit:
                raise UserError(f"cannot download {url}: it sends more than the limit of {limit:,} bytes")
            stream.write(block)
            advance(len(block))
    if total is not None and end < total:
        raise _Broken(f"connection cut after {end:,} of {total:,} bytes")


def _numbers(headers: Message) -> tuple[int, int | None]:
    """Read first byte and total from ``Content-Range: bytes 5-9/10`` or ``bytes */10``; the first is -1 if absent."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", "").strip())
    if match is None:
        return -1, None
    first, total = match.groups()
    return int(first) if first else -1, int(total) if total != "*" else None


def _opener() -> urllib.request.OpenerDirector:
    """Make an opener for http and https alone, so that a redirect cannot lead to a file or to ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
