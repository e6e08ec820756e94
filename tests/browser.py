"""A real browser without a window, driven through its DevTools."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# All text of a page, that in shadow roots and frames too.
_TEXT = """(() => {
  const walk = node => [...node.childNodes].map(child => {
    if (child.nodeType === Node.TEXT_NODE) return child.textContent;
    if (child.nodeType !== Node.ELEMENT_NODE || ['SCRIPT', 'STYLE'].includes(child.tagName)) return '';
    const inside = child.shadowRoot || (child.contentDocument && child.contentDocument.body);
    return ' ' + (inside ? walk(inside) : '') + walk(child);
  }).join('');
  return walk(document.body);
})()"""

_IMAGES = """(() => {
  const count = node => [...(node.children || [])].reduce((sum, child) => sum + count(child) +
    (child.shadowRoot ? count(child.shadowRoot) : 0) + (child.tagName === 'IMG' && child.naturalWidth > 100), 0);
  return count(document.body);
})()"""


class Browser:
    """A page of a running browser.

    One connection stays open: the size of the window that it asks for ends with it.
    """

    def __init__(self, port: int) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as reply:
            pages = [target for target in json.load(reply) if target["type"] == "page"]
        self._loop, self._sent = asyncio.new_event_loop(), 0
        self._session, self._line = self._loop.run_until_complete(_connect(pages[0]["webSocketDebuggerUrl"]))

    def close(self) -> None:
        """End the connection."""
        self._loop.run_until_complete(self._session.close())
        self._loop.close()

    def _send(self, method: str, **settings: Any) -> dict[str, Any]:
        async def talk() -> dict[str, Any]:
            await self._line.send_json({"id": self._sent, "method": method, "params": settings})
            while (answer := await self._line.receive_json()).get("id") != self._sent:
                pass
            return dict(answer["result"])

        self._sent += 1
        return self._loop.run_until_complete(talk())

    def open(self, address: str, width: int = 1280, height: int = 1000) -> None:
        """Go to a page, in a window of this size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._send("Emulation.setDeviceMetricsOverride", **size)
        self._send("Page.navigate", url=address)

    def evaluate(self, code: str) -> Any:
        """Return the value of JavaScript."""
        result = self._send("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        return result["result"].get("value")

    def wait_for(self, *texts: str, seconds: float = 300) -> str:
        """Wait until all of these are on the page; return its text."""
        until = time.monotonic() + seconds
        while True:
            text = str(self.evaluate(_TEXT))
            if all(part in text for part in texts):
                return text
            missing = [part for part in texts if part not in text]
            assert time.monotonic() < until, f"{missing} not in: {' '.join(text.split())[:3000]}"
            time.sleep(0.5)

    def wait_for_images(self, count: int, seconds: float = 300) -> None:
        """Wait until so many images of more than 100 pixels have been loaded."""
        until = time.monotonic() + seconds
        while (found := self.evaluate(_IMAGES)) < count:
            assert time.monotonic() < until, f"{found} images of {count}"
            time.sleep(0.5)

    def screenshot(self, path: Path) -> None:
        """Save what the window shows."""
        result = self._send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(result["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start a browser that keeps its files in this folder, and end it."""
    assert CHROMIUM is not None
    options = ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--no-first-run", "--disable-dev-shm-usage",
               "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # fmt: skip
    process = subprocess.Popen(
        [CHROMIUM, *options, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        told = profile / "DevToolsActivePort"
        until = time.monotonic() + 300
        while not (told.is_file() and (opened := _opened(told.read_text()))):
            assert time.monotonic() < until, "the browser does not start"
            assert process.poll() is None, "the browser has ended"
            time.sleep(0.2)
        with closing(opened):
            yield opened
    finally:
        process.terminate()
        process.wait(20)


async def _connect(address: str) -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
    session = aiohttp.ClientSession()
    return session, await session.ws_connect(address, max_msg_size=0)


def _opened(told: str) -> Browser | None:
    """The browser that listens where it says; it says so a little before it listens."""
    try:
        return Browser(int(told.split()[0])) if told.strip() else None
    except OSError:
        return None
