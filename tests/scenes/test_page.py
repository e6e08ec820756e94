"""``map.html`` in a real browser."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from eurosat_cls import map_scene
from eurosat_cls.scenes.settings import MapOptions
from tests.browser import CHROMIUM, Browser, browser
from tests.scenes.maps import pixels, small_model, write_scene

NAMES = ("Forest", "<img src=x onerror=document.title='hit'>", "</script><b>c")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page")
    scene = write_scene(place / "scene.tif", pixels(200, 300))
    return map_scene(small_model(NAMES), scene, place, options=MapOptions(window=32, step=16))


def ready(page: Browser, folder: Path) -> None:
    page.open((folder / "map.html").as_uri())
    page.wait_for("classes", "confidence", "opacity")
    for _ in range(300):
        if page.evaluate("document.body.dataset.ready") == "yes":
            return
        page.evaluate("new Promise(done => setTimeout(done, 100))")
    raise AssertionError("the page is not drawn")


def test_the_page_fetches_nothing(folder: Path) -> None:
    text = (folder / "map.html").read_text()
    assert re.search(r"https?:", text) is None
    assert "default-src 'none'" in text
    assert "<img src=x" not in text
    assert text.count("</script>") == 2


@needs_browser
@pytest.mark.slow
def test_the_page_shows_what_is_under_the_pointer(folder: Path, tmp_path: Path) -> None:
    with rasterio.open(folder / "classes.tif") as dataset:
        classes, transform = dataset.read(1), dataset.transform
    with rasterio.open(folder / "probabilities.tif") as dataset:
        probabilities = dataset.read()
    with browser(tmp_path) as page:
        ready(page, folder)
        for row, column in ((0, 0), (5, 7), (12, 18)):
            found = read_at(page, 16 * column + 5, 16 * row + 5)
            assert found[0] == NAMES[classes[row, column]]
            share = 100 * probabilities[classes[row, column], row, column]
            assert abs(float(found[2].split()[0]) - share) < 1
            x, y = transform @ (column + 5 / 16, row + 5 / 16)
            assert found[-1] == f"EPSG:32633: {x:.0f}, {y:.0f}"
        legend = page.evaluate("document.querySelector('table').innerText")
        for name in NAMES:
            assert name in legend
        assert page.evaluate("document.title") == "scene"
        areas = [line.rsplit(",", 4) for line in (folder / "areas.csv").read_text().splitlines()[1:]]
        for _, _, hectares, _, _ in areas:
            assert f"{float(hectares):,.1f}" in legend
        by_area = [name for name, *_ in sorted(areas, key=lambda row: -int(row[1]))]
        shown = page.evaluate("[...document.querySelectorAll('td.name')].map(cell => cell.innerText).join()")
        assert shown == ",".join(by_area), "the largest class first"


@needs_browser
@pytest.mark.slow
def test_layers_opacity_and_legend_change_what_is_seen(folder: Path, tmp_path: Path) -> None:
    with browser(tmp_path) as page:
        ready(page, folder)
        assert page.evaluate("document.getElementById('colour').naturalWidth") == 300
        page.evaluate("byId('opacity').value = 20; byId('opacity').dispatchEvent(new Event('input'))")
        assert float(page.evaluate("document.getElementById('classes').style.opacity")) == pytest.approx(0.2)
        page.evaluate("document.querySelector('input[value=confidence]').click()")
        assert page.evaluate("document.getElementById('classes').style.display") == "none"
        assert page.evaluate("document.getElementById('confidence').style.display") == ""
        assert painted(page, "classes") == 13 * 19
        click = "[...document.querySelectorAll('tbody tr')].find(row => row.innerText.startsWith('{}')).click()"
        page.evaluate(click.format(NAMES[0]))
        with rasterio.open(folder / "classes.tif") as dataset:
            assert painted(page, "classes") == np.count_nonzero(dataset.read(1))
        before = page.evaluate("document.getElementById('world').style.transform")
        page.evaluate("document.getElementById('in').click()")
        assert page.evaluate("document.getElementById('world').style.transform") != before


@needs_browser
@pytest.mark.slow
def test_a_narrow_window_shows_map_and_legend_below_each_other(folder: Path, tmp_path: Path) -> None:
    with browser(tmp_path) as page:
        ready(page, folder)
        page.evaluate("document.documentElement.style.width = '390px'")
        rules = page.evaluate(
            "[...document.styleSheets[0].cssRules].filter(r => r.media).map(r => r.media.mediaText).join()"
        )
        assert "max-width: 48rem" in rules
        # what the narrow layout says, put on whatever this window's width is
        page.evaluate("""(() => { const rule = [...document.styleSheets[0].cssRules].find(r => r.media &&
          r.media.mediaText.includes('48rem')); rule.media.mediaText = 'all';
          document.body.style.width = '390px'; window.dispatchEvent(new Event('resize')); })()""")
        boxes = page.evaluate("""['stage', 'legend', 'opacity'].map(name => {
          const box = byId(name).getBoundingClientRect(); return [box.left, box.right, box.top]; })""")
        assert all(0 <= left < right <= 391 for left, right, _ in boxes), boxes
        assert boxes[0][2] < boxes[2][2] < boxes[1][2], "the map above, then the slider, then the legend"


def painted(page: Browser, canvas: str) -> int:
    code = f"""(() => {{ const c = document.getElementById('{canvas}');
      const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
      let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }})()"""
    return int(page.evaluate(code))


def read_at(page: Browser, x: float, y: float) -> list[str]:
    """What the page says of a pixel of the scene."""
    code = f"""(() => {{ const box = document.getElementById('stage').getBoundingClientRect();
      document.getElementById('stage').dispatchEvent(new PointerEvent('pointermove', {{pointerId: 1,
        clientX: box.left + state.x + {x} * state.scale, clientY: box.top + state.y + {y} * state.scale}}));
      return [...document.getElementById('readout').querySelectorAll('b, span, em, div:last-child')]
        .filter(e => !e.querySelector('span')).map(e => e.textContent); }})()"""
    found: Any = page.evaluate(code)
    return list(found)
