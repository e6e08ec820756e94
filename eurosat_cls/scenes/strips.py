"""Read a scene strip by strip, the next one while the last is classified."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.source import Source

STRIP_BYTES = 96_000_000  # values of a strip, at most about
STRIP_ROWS = 576  # pixels of a strip, at most about: what a kill costs, and what is read before the first window


class Strip(NamedTuple):
    """Whole rows of a scene.

    Attributes:
        groups: numbers of the first group of windows and of the one after the last.
        start: first row of pixels.
        values: raw ``[C, h, W]`` in the model's unit, missing pixels filled.
        valid: bool ``[h, W]``.
        wanted: bool ``[h, W]``: valid, and not outside of the areas to be mapped.
    """

    groups: tuple[int, int]
    start: int
    values: np.ndarray
    valid: np.ndarray
    wanted: np.ndarray


def groups_per_strip(layout: Layout, channels: int, itemsize: int, rows: int | None = None) -> int:
    """Return how many groups to read at once.

    Args:
        layout: of the scene.
        channels: bands.
        itemsize: bytes of a value.
        rows: of pixels; by default what fits into some memory.
    """
    rows = rows or min(STRIP_ROWS, STRIP_BYTES // (layout.width * channels * itemsize))
    return max(1, (rows - layout.window) // layout.step // layout.group)


def read_strips(source: Source, layout: Layout, together: int, first: int = 0, margin: int = 0) -> Iterator[Strip]:
    """Yield the strips from a group on, each of so many groups; rows that two of them share are read once.

    Args:
        source: what to read.
        layout: of the scene.
        together: groups of a strip.
        first: group to begin with.
        margin: further rows above and below, as far as the scene has them.
    """
    columns = slice(0, layout.width)
    spans = [(group, min(group + together, layout.groups)) for group in range(first, layout.groups, together)]

    def pixels_of(number: int) -> slice:
        pixels = layout.pixels_of(*spans[number])
        return slice(max(0, pixels.start - margin), min(layout.height, pixels.stop + margin))

    def new_rows(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        pixels = pixels_of(number)
        start = pixels.start if number == 0 else pixels_of(number - 1).stop
        # the margin of the strip before may have reached the end already
        return source.read(slice(start, pixels.stop), columns) if start < pixels.stop else None

    with ThreadPoolExecutor(1, "reader") as pool:
        coming = pool.submit(new_rows, 0) if spans else None
        kept: Strip | None = None
        for number, span in enumerate(spans):
            assert coming is not None
            new = coming.result()
            coming = pool.submit(new_rows, number + 1) if number + 1 < len(spans) else None
            kept = _joined(kept, new, span, pixels_of(number).start)
            yield kept


def _joined(
    before: Strip | None, new: tuple[np.ndarray, np.ndarray, np.ndarray] | None, groups: tuple[int, int], start: int
) -> Strip:
    """Put the rows that a strip shares with the one before and its new ones together."""
    shared = 0 if before is None else before.start + len(before.valid) - start
    if before is None or not shared:
        assert new is not None
        return Strip(groups, start, *new)
    kept = before.values[:, -shared:], before.valid[-shared:], before.wanted[-shared:]
    if new is None:
        return Strip(groups, start, *kept)
    valid = np.concatenate([kept[1], new[1]])
    wanted = valid if before.wanted is before.valid and new[2] is new[1] else np.concatenate([kept[2], new[2]])
    return Strip(groups, start, np.concatenate([kept[0], new[0]], axis=1), valid, wanted)
