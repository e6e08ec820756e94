"""Downloads against a local server that behaves badly in the ways that servers do."""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from eurosat_cls.data.files.download import locate_or_download
from eurosat_cls.data.files.http_download import fetch
from eurosat_cls.data.files.source import EUROSAT_MS, EUROSAT_RGB, Archive
from eurosat_cls.utils.errors import UserError
from tests.data.helpers import CLASS_NAMES, make_rgb_tree, make_rgb_zip

CONTENT = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
get = partial(fetch, md5=MD5, timeout=60, retries=3, pause=0.01)


class Server(ThreadingHTTPServer):
    """Serve ``CONTENT``; the path of a request says how. Remembers the Range header of every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str | None] = []

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/EuroSAT.zip"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    """One method for each way to behave."""

    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.headers.get("Range"))
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        getattr(self, self.path.split("/")[1])(int(match[1]) if match else 0)

    def head(self, status: int, length: int | None, start: int = 0) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        if status == 416:
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
        self.end_headers()

    def good(self, start: int) -> None:
        if start >= len(CONTENT):
            return self.head(416, 0)
        self.head(206 if start else 200, len(CONTENT) - start, start)
        self.wfile.write(CONTENT[start:])

    def trickling(self, start: int) -> None:
        self.head(200, len(CONTENT))
        for at in range(0, len(CONTENT), 40_000):
            self.wfile.write(CONTENT[at : at + 40_000])
            time.sleep(0.05)

    def cut(self, start: int) -> None:
        self.head(206 if start else 200, len(CONTENT) - start, start)
        self.wfile.write(CONTENT[start : start + 120_000])

    def stalling(self, start: int) -> None:
        if start:
            return self.good(start)
        self.head(200, len(CONTENT))
        self.wfile.write(CONTENT[:50_000])
        self.wfile.flush()
        self.rfile.read(1)  # until the client has hung up

    def dead(self, start: int) -> None:
        self.head(206 if start else 200, len(CONTENT) - start, start)
        if not start:
            self.wfile.write(CONTENT[:1000])

    def no_ranges(self, start: int) -> None:
        self.head(200, len(CONTENT))
        self.wfile.write(CONTENT)

    def elsewhere(self, start: int) -> None:
        if not start:
            return self.good(0)
        self.head(206, len(CONTENT) - start - 10, start + 10)
        self.wfile.write(CONTENT[start + 10 :])

    def never_resumes(self, start: int) -> None:
        return self.head(416, 0) if start else self.good(0)

    def announces_more(self, start: int) -> None:
        if start:
            return self.good(start)
        self.head(200, len(CONTENT) + 5)
        self.wfile.write(CONTENT)

    def announces_less(self, start: int) -> None:
        self.head(200, 1000)
        self.wfile.write(CONTENT)

    def announces_a_lot(self, start: int) -> None:
        self.head(200, 10**12)

    def endless(self, start: int) -> None:
        self.head(200, None)
        while True:
            self.wfile.write(CONTENT)

    def without_length(self, start: int) -> None:
        self.head(200, None)
        self.wfile.write(CONTENT)

    def wrong(self, start: int) -> None:
        self.head(200, len(CONTENT))
        self.wfile.write(CONTENT[::-1])

    def page(self, start: int) -> None:
        text = b"<html>please log in</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def absent(self, start: int) -> None:
        self.head(404, 0)

    def busy_once(self, start: int) -> None:
        return self.head(503, 0) if len(self.server.requests) == 1 else self.good(start)

    def redirected(self, start: int) -> None:
        self.send_response(302)
        self.send_header("Location", self.server.url("good"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def to_a_file(self, start: int) -> None:
        self.send_response(302)
        self.send_header("Location", "file:///etc/hostname")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def no_http(self, start: int) -> None:
        self.wfile.write(b"what?\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def contents(folder: Path) -> dict[str, bytes]:
    """What a download left behind, but its lock."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


@pytest.mark.parametrize(
    ("behaviour", "ranges"),
    [
        ("good", [None]),
        ("trickling", [None]),
        ("without_length", [None]),
        ("redirected", [None, None]),
        ("busy_once", [None, None]),
        ("cut", [None, "bytes=120000-", "bytes=240000-"]),
        ("announces_more", [None, "bytes=300000-"]),
    ],
)
def test_what_can_be_had_is_had(server: Server, tmp_path: Path, behaviour: str, ranges: list[str | None]) -> None:
    path = get(server.url(behaviour), tmp_path / "new/a.zip")
    assert path == tmp_path / "new/a.zip"
    assert contents(path.parent) == {"a.zip": CONTENT}
    assert server.requests == ranges


@pytest.mark.slow
def test_a_server_that_falls_silent_is_asked_for_the_rest(server: Server, tmp_path: Path) -> None:
    get(server.url("stalling"), tmp_path / "a.zip", timeout=1)
    assert contents(tmp_path) == {"a.zip": CONTENT}
    assert server.requests[:2] == [None, "bytes=50000-"]


@pytest.mark.parametrize("behaviour", ["good", "no_ranges", "elsewhere", "never_resumes", "redirected"])
def test_a_part_of_an_earlier_run_is_continued_or_started_anew(server: Server, tmp_path: Path, behaviour: str) -> None:
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:100_000])
    get(server.url(behaviour), tmp_path / "a.zip")
    assert contents(tmp_path) == {"a.zip": CONTENT}
    assert server.requests[0] == "bytes=100000-"


def test_a_whole_part_needs_no_further_byte(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(CONTENT)
    get(server.url("good"), tmp_path / "a.zip")
    assert contents(tmp_path) == {"a.zip": CONTENT}


def test_a_part_longer_than_the_file_is_started_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(CONTENT + b"more")
    get(server.url("good"), tmp_path / "a.zip")
    assert contents(tmp_path) == {"a.zip": CONTENT}
    assert server.requests == ["bytes=300004-", None]


@pytest.mark.parametrize("behaviour", ["wrong", "page", "announces_less"])
def test_other_content_is_refused_by_its_checksum_and_removed(server: Server, tmp_path: Path, behaviour: str) -> None:
    with pytest.raises(UserError, match=rf"has md5 [0-9a-f]{{32}}, expected {MD5}"):
        get(server.url(behaviour), tmp_path / "a.zip")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("absent", "the server answers 404"),
        ("announces_a_lot", "1,000,000,000,000 bytes announced, more than the limit"),
        ("to_a_file", "no connection|answers 302"),
        ("no_http", "no connection"),
    ],
)
def test_what_cannot_be_had_is_told_at_once(server: Server, tmp_path: Path, behaviour: str, message: str) -> None:
    with pytest.raises(UserError, match=f"cannot download {server.url(behaviour)}: .*({message})"):
        get(server.url(behaviour), tmp_path / "a.zip")
    assert contents(tmp_path) == {}
    assert len(server.requests) == 1


def test_an_endless_answer_ends_at_the_limit(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sends more than the limit of 2,000,000 bytes"):
        get(server.url("endless"), tmp_path / "a.zip", limit=2_000_000)


def test_a_connection_that_stays_dead_ends_the_retries_and_keeps_what_came(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cut after 1,000 of 300,000 bytes \(4 attempts; 1,000 bytes are kept"):
        get(server.url("dead"), tmp_path / "a.zip")
    assert contents(tmp_path) == {"a.zip.part": CONTENT[:1000]}
    get(server.url("good"), tmp_path / "a.zip")
    assert contents(tmp_path) == {"a.zip": CONTENT}
    assert server.requests[-1] == "bytes=1000-"


def test_a_present_file_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"here")
    get(server.url("good"), tmp_path / "a.zip")
    assert contents(tmp_path) == {"a.zip": b"here"}
    assert not server.requests


def test_two_at_once_fetch_once(server: Server, tmp_path: Path) -> None:
    threads = [threading.Thread(target=get, args=(server.url("trickling"), tmp_path / "a.zip")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents(tmp_path) == {"a.zip": CONTENT}
    assert server.requests == [None]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/a.zip", "a.zip"])
def test_only_http_addresses_are_opened(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match=r"only http and https"):
        get(url, tmp_path / "a.zip")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a.zip", "http://no-such-host.invalid/a.zip", "http://[broken/a"])
def test_without_a_network_the_answer_comes_at_once(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("tried again"))
    with pytest.raises(UserError, match=f"cannot download {re.escape(url)}: no connection"):
        fetch(url, tmp_path / "a.zip", MD5)
    assert contents(tmp_path) == {}


# --- locate or download -----------------------------------------------------------------------------------------


def archive_at(url: str, content: bytes = CONTENT) -> Archive:
    return replace(EUROSAT_RGB, what="The images", url=url, md5=hashlib.md5(content).hexdigest(), limit=10**7)


def test_what_is_below_root_is_used_and_nothing_fetched(server: Server, tmp_path: Path) -> None:
    make_rgb_tree(tmp_path / "root/EuroSAT/2750", 1)
    source = locate_or_download(tmp_path / "root", CLASS_NAMES, tmp_path / "cache", archive_at(server.url("good")))
    assert source.path == tmp_path / "root/EuroSAT/2750"
    assert not server.requests
    assert not (tmp_path / "cache").exists()


def test_absent_data_are_downloaded_to_the_cache_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = make_rgb_zip(tmp_path / "published.zip", 1).read_bytes()
    monkeypatch.setitem(globals(), "CONTENT", content)
    (tmp_path / "root").mkdir()
    for _ in range(2):
        source = locate_or_download(
            tmp_path / "root", CLASS_NAMES, tmp_path / "cache", archive_at(server.url("good"), content)
        )
        assert source.path == tmp_path / "cache/downloads/EuroSAT.zip"
        assert len(source.files()) == 10
    assert len(server.requests) == 1
    assert not list((tmp_path / "root").iterdir())


def test_when_nothing_works_three_lines_say_what_where_and_the_ways_out(server: Server, tmp_path: Path) -> None:
    url = server.url("absent")
    with pytest.raises(UserError) as caught:
        locate_or_download(tmp_path / "root", CLASS_NAMES, tmp_path / "cache", archive_at(url))
    what, where, ways_out = str(caught.value).splitlines()
    assert "missing" in what
    assert "404" in what
    assert f"{tmp_path}/root, which does not exist" in where
    assert f"{tmp_path}/cache/downloads/EuroSAT.zip" in where
    assert all(way in ways_out for way in ("data.root", "EUROSAT_ROOT", url, "--config configs/demo.yaml"))


def test_absent_tiffs_are_explained_in_three_lines_too(server: Server, tmp_path: Path) -> None:
    make_rgb_tree(tmp_path / "root", 1)
    archive = replace(EUROSAT_MS, url=server.url("absent"))
    with pytest.raises(UserError) as caught:
        locate_or_download(tmp_path / "root", CLASS_NAMES, tmp_path / "cache", archive)
    what, where, _ = str(caught.value).splitlines()
    assert "13-band EuroSAT patches (2.1 GB) are missing" in what
    assert "for EuroSATallBands*.zip, ds/images" in where
    assert f"{tmp_path}/cache/downloads/EuroSATallBands.zip" in where


@pytest.mark.parametrize(
    ("archive", "md5", "size"),
    [
        (EUROSAT_RGB, "c8fa014336c82ac7804f0398fcb19387", 94_000_000),
        (EUROSAT_MS, "5ac12b3b2557aa56e1826e981e8e200e", 2_200_000_000),
    ],
)
def test_a_published_address_is_pinned_to_a_revision_and_a_checksum(archive: Archive, md5: str, size: int) -> None:
    assert re.fullmatch(rf"https://huggingface\.co/.*/resolve/[0-9a-f]{{40}}/{archive.name}", archive.url)
    assert archive.md5 == md5
    assert archive.limit > size
