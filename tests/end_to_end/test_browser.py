"""What a person sees in TensorBoard and in the report, in a real browser."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser import CHROMIUM, Browser, browser
from tests.tensorboard_server import tensorboard

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")]
RUN = Path("lightning_logs/version_0")
PICTURES = (
    "[{class_path: BatchPicture}, {class_path: ConfusionMatrix}, {class_path: LearningCurves}, {class_path: Projector}]"
)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Browser]:
    with browser(tmp_path / "profile") as opened:
        yield opened


def go(page: Browser, address: str, *texts: str) -> str:
    """Open an address anew, and wait for these texts; return all text."""
    page.open("about:blank")
    page.open(address)
    return page.wait_for(*texts)


def test_tensorboard_shows_scalars_pictures_points_and_text(run: Callable[..., tuple[int, str]], page: Browser) -> None:
    assert run("fit", "--pictures", PICTURES)[0] == 0
    assert run("test", "--ckpt_path", "best", "--pictures", PICTURES)[0] == 0
    with tensorboard(Path("lightning_logs"), "test/accuracy", of="data/plugin/scalars/tags") as board:
        text = go(page, f"{board}/#timeseries", "version_0", "val", "confusion_matrix_val")
        assert "version_1" not in text
        go(page, f"{board}/#images", "pictures/confusion_matrix_val", "pictures/confusion_matrix_test", "train/batch")
        page.wait_for_images(3)
        go(page, f"{board}/#projector", "Points:", "40x16")
        go(page, f"{board}/#text", "split_sha256", "class_path")
        go(page, f"{board}/#hparams", "model.encoder", "val/accuracy")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_fits_its_window(run: Callable[..., tuple[int, str]], page: Browser, width: int) -> None:
    assert run("fit", "--pictures", PICTURES)[0] == 0
    assert run("test", "--ckpt_path", "best", "--pictures", PICTURES)[0] == 0
    page.open((RUN / "report.html").absolute().as_uri(), width, 900)
    page.wait_for("test/accuracy", "In the test, each row", "DemoRiver")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate("[...document.images].map(image => [image.naturalWidth, image.clientWidth])")
    assert len(sizes) >= 3
    assert all(natural > 100 and shown <= width for natural, shown in sizes)
    page.evaluate("document.querySelector('figure label').click()")
    assert page.evaluate("document.images[0].clientWidth") >= 960, "a tap enlarges a picture"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
