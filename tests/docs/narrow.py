"""Whether the built site fits a phone: ``python -m tests.docs.narrow SITE``."""

import sys
import tempfile
from pathlib import Path

from tests.browser import browser

WIDTH = 390
# How wide the page is, once its pictures are there; what scrolls inside itself does not count.
_SIDE = """new Promise(done => {
  const side = () => done(document.scrollingElement.scrollWidth);
  document.readyState === 'complete' ? side() : addEventListener('load', side);
})"""


def too_wide(site: Path) -> list[str]:
    """Return the pages that scroll sideways in a window of 390 pixels, with their widths."""
    pages = sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)
    assert pages, f"{site}: no pages"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, browser(Path(profile)) as window:
        found = []
        for page in pages:
            window.open(page.resolve().as_uri(), WIDTH, 844)
            side = window.evaluate(_SIDE)
            if side > WIDTH:
                found.append(f"{page.relative_to(site)}: {side} pixels")
    return found


if __name__ == "__main__":
    found = too_wide(Path(sys.argv[1]))
    print("\n".join(found) or f"every page fits {WIDTH} pixels")
    sys.exit(bool(found))
