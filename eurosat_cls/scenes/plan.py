"""What mapping a scene will take, said before it starts."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

import numpy as np

from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.network import Network
from eurosat_cls.scenes.source import Source
from eurosat_cls.scenes.strips import groups_per_strip
from eurosat_cls.scenes.work import Work
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import private_folder

_BASE_BYTES = 450e6  # of Python, torch and GDAL with its cache
_PIXELS_OF_JP2 = 7.5e6  # decoded in a second by one core


@dataclass(frozen=True)
class Plan:
    """What mapping a scene will take.

    Attributes:
        windows: to be classified, at most.
        seconds: expected.
        memory: bytes, expected at most.
        disk: bytes, needed at most.
        text: all of it in one line.
    """

    windows: int
    seconds: float
    memory: float
    disk: int
    text: str


def make_plan(
    sources: Sequence[Source], layout: Layout, network: Network, factor: int, strip_rows: int | None, dense: bool
) -> Plan:
    """Measure the network on a batch, and tell what follows from it.

    Args:
        sources: the scene, or several dates of it.
        layout: its windows.
        network: what classifies them.
        factor: pixels of the scene along the side of one of the map.
        strip_rows: see :class:`~eurosat_cls.scenes.settings.MapOptions`.
        dense: whether whole strips are classified at once.
    """
    scene, channels = sources[0].scene, len(sources[0].bands)
    windows = layout.shape[0] * layout.shape[1] * len(sources)
    itemsize = sources[0].convert(np.zeros((channels, 1, 1), scene.dtype)).itemsize
    sample = np.zeros((layout.batch, channels, layout.window, layout.window), f"u{itemsize}" if itemsize < 4 else "f4")
    network(sample)
    start = time.perf_counter()
    network(sample)
    each = (time.perf_counter() - start) / layout.batch
    shared = (layout.window / layout.step) ** 2 / 1.7 if dense else 1.0
    decoded = sum(scene.grid.height * scene.grid.width * channels for source in sources if _is_jp2(source))
    seconds = windows * each / max(shared, 1) + decoded / _PIXELS_OF_JP2 / 2
    rows = groups_per_strip(layout, channels, itemsize, strip_rows) * layout.group * layout.step + layout.window
    memory = _BASE_BYTES + 4 * rows * layout.width * channels * max(itemsize, 2) + layout.batch * 4e6
    classes = network.outputs
    cells = layout.cells[0] * layout.cells[1]
    fine = -(-layout.height // factor) * -(-layout.width // factor)
    disk = Work.bytes_of(layout, classes) * len(sources) + 3 * (cells * 4 * (classes + 1) + fine) + 30_000_000
    dates = f"{len(sources)} dates, " if len(sources) > 1 else ""
    text = (
        f"{scene.name}: {dates}{layout.width:,} x {layout.height:,} pixels, bands {', '.join(sources[0].bands)}, "
        f"{windows:,} windows of {layout.window} pixels every {layout.step}; about {_duration(seconds)}, "
        f"{memory / 1e9:.1f} GB of memory, {disk / 1e6:,.0f} MB of disk"
    )
    return Plan(windows, seconds, memory, disk, text)


def _is_jp2(source: Source) -> bool:
    paths = {band.path for band in getattr(source.scene, "sources", {}).values()}
    return any(path.lower().endswith(".jp2") for path in paths)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{max(seconds, 1):.0f} seconds"


def check_space(folder: Path, needed: int) -> None:
    """Refuse to start where the disk cannot hold the map; the folder is made.

    Raises:
        UserError: naming the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = disk_usage(folder).free
        with private_folder(folder / "probe"):
            pass
    except OSError as error:
        raise UserError(f"--out {folder}: cannot be written ({error.strerror}); name another folder.") from None
    if free < needed:
        with suppress(OSError):  # not empty: it was there before
            folder.rmdir()
        raise UserError(
            f"--out {folder}: {needed / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are free; make room, or name "
            "a folder on another disk."
        )
