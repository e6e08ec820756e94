"""A run folder of a stranger makes a page that shows, and does nothing."""

import csv
import io
import json
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from PIL import Image

from eurosat_cls import UserError
from eurosat_cls.analysis.report.compare import write_comparison
from eurosat_cls.analysis.report.page import write_report
from tests.hostile.odd_runs import report_odd_runs

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><a href='javascript:alert(1)'>x</a>"
TAGS = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "div", "b", "table", "tr", "th", "td", "figure",
    "img", "figcaption", "details", "summary", "pre", "label", "input",
}  # fmt: skip


class Reader(HTMLParser):
    """Notes what a browser would act upon."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.wrong.append(tag)
        for name, value in attrs:
            if name.startswith("on") or (name in ("src", "href") and not str(value).startswith("data:image/")):
                self.wrong.append(f"{tag} {name}={value}")


def acted_upon(page: Path) -> list[str]:
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader.wrong


def run_folder(place: Path) -> Path:
    """Write a run folder whose every text is hostile."""
    folder = place / f"run {EVIL.replace('/', '')}"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({EVIL: EVIL, "trainer": {"max_epochs": EVIL}}))
    data = {"source": EVIL, "split_method": EVIL, "split_sha256": EVIL, "patches": {EVIL: {EVIL: 3}}}
    (folder / "environment.json").write_text(json.dumps({EVIL: EVIL, "data": data}))
    scores = {EVIL: {"images": 1, "precision": 0.5, "recall": 0.5, "f1": 0.5}}
    test = {f"test/{EVIL}": 0.5, "checkpoint": EVIL, "per_class": scores, "split": {"split_sha256": "b", EVIL: EVIL}}
    (folder / "test.json").write_text(json.dumps(test))
    (folder / "metrics.csv").write_text(f"epoch,{EVIL.replace(',', '')}\n1,0.5\n")
    stream = io.StringIO()
    csv.writer(stream).writerows([["file", "true", "predicted"], [EVIL, EVIL, EVIL]])
    (folder / "test_predictions.csv").write_text(stream.getvalue())
    Image.new("RGB", (4, 4)).save(folder / f"{EVIL.replace('/', '')}.png")
    return folder


def huge_png(side: int) -> bytes:
    """A picture that declares this many pixels on each side, in a few bytes."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    parts = (struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_no_text_of_a_run_folder_is_taken_for_html(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path / name) for name in ("a", EVIL.replace("/", ""))]
    assert acted_upon(write_report(folders[0])) == []
    assert acted_upon(write_comparison(folders, tmp_path / "comparison.html")) == []


def test_a_link_does_not_bring_another_file_into_the_page(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret" * 10)
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "private.png")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text("model: {}\n")
    (folder / "text.png").write_bytes((tmp_path / "secret.png").read_bytes())
    assert "data:image" not in write_report(folder).read_text()
    (folder / "curves.png").symlink_to(tmp_path / "private.png")
    with pytest.raises(UserError, match=r"curves\.png: refused, it is a link"):
        write_report(folder)


@pytest.mark.slow
def test_bombs_in_a_run_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: {}\n")
    for side in (8_000, 40_000):  # the second is one that Pillow refuses by itself
        (tmp_path / "curves.png").write_bytes(huge_png(side))
        assert "curves.png: cannot be read" in write_report(tmp_path).read_text()
    (tmp_path / "test.json").write_text("[" * 200_000)
    with pytest.raises(UserError, match=r"test\.json: cannot be read"):
        write_report(tmp_path)
    levels = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    (tmp_path / "config.yaml").write_text("\n".join(levels))
    with pytest.raises(UserError, match=r"config\.yaml: grows to more than 20,000 values"):
        write_report(tmp_path)
    (tmp_path / "config.yaml").write_text("a: " + "[" * 20_000)
    with pytest.raises(UserError, match=r"config\.yaml:1: nested more than 64 deep"):
        write_report(tmp_path)


@pytest.mark.slow
def test_odd_run_folders_end_in_a_report_or_a_message(tmp_path: Path) -> None:
    """Fuzzed from a seed; ``python -m tests.hostile.odd_runs FOLDER 0 1000`` tries more."""
    assert report_odd_runs(tmp_path / "odd", range(40)) == {}
