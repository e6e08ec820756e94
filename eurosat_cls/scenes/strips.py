"""Read a scene strip by strip, the next one while the last is classified."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.scene import Scene

STRIP_BYTES = 96_000_000  # values of a strip, about


class Strip(NamedTuple):
    """Whole rows of a scene.

    Attributes:
        groups: numbers of the first group of windows and of the one after the last.
        start: first row of pixels.
        values: raw ``[C, h, W]`` in the model's unit, missing pixels filled.
        valid: bool ``[h, W]``.
    """

    groups: tuple[int, int]
    start: int
    values: np.ndarray
    valid: np.ndarray


@dataclass(frozen=True)
class Source:
    """What the model gets from a scene.

    Attributes:
        scene: an open scene.
        bands: of the model, by the scene's names for them.
        convert: from the scene's values to the model's, ``[C, h, w]`` both.
        fill: what missing pixels get in the model's unit, ``[C]``.
    """

    scene: Scene
    bands: Sequence[str]
    convert: Callable[[np.ndarray], np.ndarray]
    fill: Sequence[float]

    def read(self, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return values ``[C, h, w]`` in the model's unit, missing ones filled, and what is valid ``[h, w]``."""
        values, valid = self.scene.read(self.bands, rows, columns)
        excluded = self.scene.excluded(rows, columns)
        if excluded is not None:
            valid = valid & ~excluded
        values = self.convert(values)
        if not valid.all():
            values = values.copy() if values.base is not None or not values.flags.writeable else values
            for band, fill in zip(values, self.fill, strict=True):
                band[~valid] = fill if band.dtype.kind == "f" else round(fill)
        return values, valid


def groups_per_strip(layout: Layout, channels: int, itemsize: int, rows: int | None = None) -> int:
    """Return how many groups to read at once.

    Args:
        layout: of the scene.
        channels: bands.
        itemsize: bytes of a value.
        rows: of pixels; by default what fits into some memory.
    """
    rows = rows or STRIP_BYTES // (layout.width * channels * itemsize)
    return max(1, (rows - layout.window) // layout.step // layout.group)


def read_strips(source: Source, layout: Layout, together: int, first: int = 0) -> Iterator[Strip]:
    """Yield the strips from a group on, each of so many groups; rows that two of them share are read once.

    Args:
        source: what to read.
        layout: of the scene.
        together: groups of a strip.
        first: group to begin with.
    """
    columns = slice(0, layout.width)
    spans = [(group, min(group + together, layout.groups)) for group in range(first, layout.groups, together)]

    def new_rows(number: int) -> tuple[np.ndarray, np.ndarray]:
        pixels = layout.pixels_of(*spans[number])
        start = pixels.start if number == 0 else layout.pixels_of(*spans[number - 1]).stop
        return source.read(slice(start, pixels.stop), columns)

    with ThreadPoolExecutor(1, "reader") as pool:
        coming = pool.submit(new_rows, 0) if spans else None
        kept: Strip | None = None
        for number, span in enumerate(spans):
            assert coming is not None
            values, valid = coming.result()
            coming = pool.submit(new_rows, number + 1) if number + 1 < len(spans) else None
            start = layout.pixels_of(*span).start
            if kept is not None and (shared := kept.start + len(kept.valid) - start):
                values = np.concatenate([kept.values[:, -shared:], values], axis=1)
                valid = np.concatenate([kept.valid[-shared:], valid])
            kept = Strip(span, start, values, valid)
            yield kept
