"""EuroSAT's published lists: downloaded once, verified always, and told about when they do not fit."""

import hashlib
import logging
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from eurosat_cls.data.splits import OfficialSplit, check_classes, official, random_split
from eurosat_cls.utils.errors import UserError
from tests.data.splits.helpers import eurosat_names, eurosat_store, make_store, members

PER_CLASS = 10


class Server(ThreadingHTTPServer):
    """Serve ``lists``, which a test may falsify, by name; remember what was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.lists: dict[str, bytes] = {}
        files, labels = eurosat_names(counts=[PER_CLASS] * 10)
        for prefix, seed in (("eurosat-", 1), ("eurosat-spatial-", 2)):
            for part, rows in random_split(files, labels, seed=seed).parts().items():
                text = "".join(files[row].rsplit("/")[-1] + "\n" for row in rows)
                self.lists[f"{prefix}{part}.txt"] = text.encode()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        self.server.asked.append(name)
        content = self.server.lists.get(name, b"")
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        monkeypatch.setattr(official, "ADDRESS", f"http://127.0.0.1:{running.server_port}/")
        sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in running.lists.items()}
        monkeypatch.setattr(official, "SHA256", sha256)
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the lists go."""
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/downloads/splits"


@pytest.mark.parametrize(("spatial", "seed"), [(False, 1), (True, 2)])
@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_the_lists_divide_jpegs_and_tiffs_alike(
    server: Server, folder: Path, caplog: pytest.LogCaptureFixture, spatial: bool, seed: int, suffix: str
) -> None:
    store = eurosat_store(PER_CLASS, suffix)
    split = OfficialSplit(spatial=spatial).divide(store)
    expected = random_split(store.files, store.labels, seed=seed)
    assert members(split, store.files) == members(expected, store.files)
    assert split.sha256 == expected.sha256
    assert split.method == ("official-spatial" if spatial else "official")
    check_classes(split, store.labels, store.class_names)
    assert not caplog.records


def test_the_lists_are_fetched_once_and_then_need_no_network(server: Server, folder: Path) -> None:
    for _ in range(2):
        OfficialSplit().divide(eurosat_store(PER_CLASS))
    assert server.asked == ["eurosat-train.txt", "eurosat-val.txt", "eurosat-test.txt"]
    assert {path.name for path in folder.glob("*.txt")} == set(server.asked)


def test_another_content_from_the_network_is_refused_and_not_kept(server: Server, folder: Path) -> None:
    server.lists["eurosat-val.txt"] = server.lists["eurosat-test.txt"]
    with pytest.raises(UserError, match=r"eurosat-val.txt has sha256 [0-9a-f]{64}, expected [0-9a-f]{64}: removed"):
        OfficialSplit().divide(eurosat_store(PER_CLASS))
    assert [path.name for path in folder.glob("*.txt*") if path.suffix != ".lock"] == ["eurosat-train.txt"]


def test_a_list_that_was_changed_on_disk_is_refused(server: Server, folder: Path) -> None:
    store = eurosat_store(PER_CLASS)
    OfficialSplit().divide(store)
    path = folder / "eurosat-val.txt"
    path.write_bytes(path.read_bytes().replace(b"River", b"Rover", 1))
    with pytest.raises(UserError, match=rf"{path} is not the published list: .* remove it, and it is downloaded again"):
        OfficialSplit().divide(store)
    path.unlink()
    OfficialSplit().divide(store)


def test_files_put_there_by_hand_are_used(server: Server, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, content in server.lists.items():
        (folder / name).write_bytes(content)
    OfficialSplit().divide(eurosat_store(PER_CLASS))
    OfficialSplit(spatial=True).divide(eurosat_store(PER_CLASS))
    assert not server.asked


def test_when_nothing_works_three_lines_say_what_where_and_the_ways_out(server: Server, folder: Path) -> None:
    server.lists.clear()
    with pytest.raises(UserError) as caught:
        OfficialSplit(spatial=True).divide(eurosat_store(PER_CLASS))
    what, where, ways_out = str(caught.value).splitlines()
    assert "missing" in what
    assert "404" in what
    assert str(folder) in where
    assert official.ADDRESS in where
    assert all(f"eurosat-spatial-{part}.txt" in where for part in ("train", "val", "test"))
    assert all(way in ways_out for way in ("by hand", "that folder", "data.split"))


def test_a_part_of_eurosat_gets_its_part_of_the_lists_and_a_warning(
    server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = eurosat_store(PER_CLASS, ".tif")
    kept = [row for row in range(100) if row % PER_CLASS not in (3, 4, 5)]
    part = make_store([store.files[row] for row in kept], store.labels[kept])
    whole = members(OfficialSplit().divide(store), store.files)
    present = {file.rsplit("/")[-1][:-4] for file in part.files}
    caplog.clear()
    split = OfficialSplit().divide(part)
    assert members(split, part.files) == {name: stems & present for name, stems in whole.items()}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "official split: the data lack 30 of the 100 patches in its lists" in caplog.text


def test_patches_in_no_list_belong_to_no_part_and_are_counted(
    server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = eurosat_store(PER_CLASS + 2)
    split = OfficialSplit().divide(store)
    assert sum(map(len, split.parts().values())) == 100
    assert "official split: its lists lack 20 of the 120 patches in the data" in caplog.text


def test_other_data_are_refused(server: Server, folder: Path) -> None:
    store = eurosat_store(PER_CLASS)
    other = make_store([file.replace("_", "-") for file in store.files], store.labels)
    with pytest.raises(UserError, match=r"eurosat-train.txt: the data have none of its 60 patches, such as Annual\w+_"):
        OfficialSplit().divide(other)


def test_what_was_skipped_when_the_store_was_built_is_not_counted_again(
    server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = eurosat_store(PER_CLASS)
    kept = make_store(store.files[1:], store.labels[1:])
    kept.skipped[store.files[0]] = "empty file"
    split = OfficialSplit().divide(kept)
    assert sum(map(len, split.parts().values())) == 99
    assert not caplog.records


def test_addresses_and_checksums_are_pinned() -> None:
    assert re.fullmatch(r"https://huggingface\.co/datasets/torchgeo/eurosat/resolve/[0-9a-f]{40}/", official.ADDRESS)
    assert len(set(official.SHA256.values())) == 6
    assert official.SHA256["eurosat-val.txt"].startswith("b385741f31daa9f1")
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in official.SHA256.values())
