"""The page of doubted labels."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from eurosat_cls.analysis.report.gallery import Card, write_gallery
from eurosat_cls.data.corrections import corrected
from tests.browser import CHROMIUM, Browser, browser
from tests.data.splits.helpers import eurosat_store

NASTY = "</script><img src=x onerror=document.title='hit'>"


def gallery(folder: Path, count: int, first: str = "Forest/Forest_1.jpg") -> Path:
    """A page of so many doubted labels, Forest that looks like River."""
    names = [first, *(f"Forest/Forest_{n}.jpg" for n in range(2, count + 1))][:count]
    cards = [Card(name, "Forest", "River", 0.01, 0.9, 0.89, 2) for name in names]
    images = np.random.default_rng(0).integers(0, 255, (count, 3, 16, 16), dtype=np.uint8)
    path = folder / "gallery.html"
    classes = eurosat_store(1).class_names
    write_gallery(path, cards, images, ["B04", "B03", "B02"], classes, "2 seeds")
    return path


def test_the_page_fetches_nothing_and_names_are_no_markup(tmp_path: Path) -> None:
    page = gallery(tmp_path, 3, NASTY).read_text()
    assert re.search("https?:", page) is None
    assert "default-src 'none'" in page
    assert NASTY not in page
    assert page.count("</script>") == 1


def test_a_page_without_doubts_can_be_written(tmp_path: Path) -> None:
    assert "0 doubted labels" in gallery(tmp_path, 0).read_text()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
@pytest.mark.parametrize("width", [1280, 390])
def test_verdicts_by_keyboard_become_labels_that_a_training_takes_up(
    chromium: Browser, tmp_path: Path, width: int
) -> None:
    def press(key: str) -> None:
        event = f"new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}})"
        chromium.evaluate(f"(document.activeElement || document.body).dispatchEvent({event})")

    chromium.open(gallery(tmp_path, 100).as_uri(), width)
    chromium.wait_for("page 1 of 3")
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    assert chromium.evaluate("document.images.length") == 48, "page by page"
    for key in ("w", "r", "u", "ArrowRight", "w", "PageDown", "w"):
        press(key)
    chromium.wait_for("page 2 of 3", "1 right, 3 wrong, 1 unclear, 95 open")
    select = "document.querySelector('article select')"
    chromium.evaluate(f"{select}.value = 'Pasture'; {select}.onchange()")
    text = chromium.evaluate("csv()")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["verdict"] for row in rows[:5]] == ["wrong", "right", "unclear", "", "wrong"]
    (tmp_path / "corrected.csv").write_text(text)
    store = eurosat_store(100)
    found = corrected(store, tmp_path / "corrected.csv")
    labels = {
        store.files[row]: store.class_names[found.labels[row]] for row in np.flatnonzero(found.labels != store.labels)
    }
    assert labels == {"Forest/Forest_1.jpg": "River", "Forest/Forest_5.jpg": "River", "Forest/Forest_49.jpg": "Pasture"}
    chromium.evaluate("unsaved = false")
