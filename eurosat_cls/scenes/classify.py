"""Go through a scene once, window by window, and note what every window is."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.network import Network
from eurosat_cls.scenes.source import Source
from eurosat_cls.scenes.strips import Strip, read_strips
from eurosat_cls.scenes.windows import classify_strip, trusted_windows
from eurosat_cls.scenes.work import Work

StripClassifier = Callable[[Strip, np.ndarray], np.ndarray]


class Pass(NamedTuple):
    """How a scene is gone through.

    Attributes:
        min_valid: share of valid pixels from which a window is trusted.
        shown: channels of the model's input for the red, green and blue of the picture.
        together: groups of windows that are read at once.
        margin: further rows of pixels that classifying a strip takes.
    """

    min_valid: float
    shown: tuple[int, int, int]
    together: int
    margin: int = 0


def by_windows(network: Network, layout: Layout) -> StripClassifier:
    """Return what classifies every window of a strip by itself."""

    def classify(strip: Strip, trusted: np.ndarray) -> np.ndarray:
        return classify_strip(strip, layout, network, network.outputs, trusted)

    return classify


def classify_scene(
    source: Source, layout: Layout, classify: StripClassifier, work: Work, how: Pass, advance: Callable[[int], None]
) -> None:
    """Classify the windows that are not yet, and keep them strip by strip.

    Args:
        source: the scene.
        layout: its windows.
        classify: from a strip and the windows in it that count, bool ``[rows, columns]``, to their probabilities.
        work: takes the results.
        how: see :class:`Pass`.
        advance: called with the number of windows that are done.
    """
    for strip in read_strips(source, layout, how.together, work.done, how.margin):
        rows = layout.group_rows(*strip.groups)
        trusted = trusted_windows(strip, layout, how.min_valid)
        work.probabilities[rows] = classify(strip, trusted)
        work.trusted[rows] = trusted
        _keep_pixels(strip, layout, work, how.shown)
        work.commit(strip.groups[1])
        advance(trusted.size)


def _keep_pixels(strip: Strip, layout: Layout, work: Work, shown: tuple[int, int, int]) -> None:
    """Keep of the pixels that no other strip has which are valid, and a smaller picture of them."""
    own = layout.own_pixels(*strip.groups)
    inside = slice(own.start - strip.start, own.stop - strip.start)
    work.valid[own] = np.packbits(strip.wanted[inside], axis=1)
    valid = strip.valid[inside]
    side = layout.shrink
    weight = _block_sums(valid.astype(np.float32), side)
    parts = [_block_sums(strip.values[band, inside] * valid.astype(np.float32), side) for band in shown]
    means = [part / np.maximum(weight, 1) for part in parts]
    start = own.start // side
    full = _block_sums(np.ones(valid.shape, np.float32), side)
    work.picture[start : start + len(weight)] = np.stack([*means, weight / full], axis=-1)


def _block_sums(values: np.ndarray, side: int) -> np.ndarray:
    """Sums of ``side x side`` blocks of ``[h, w]`` float32; those at the ends may be smaller."""
    height, width = (-(-length // side) * side for length in values.shape)
    if (height, width) != values.shape:
        padded = np.zeros((height, width), np.float32)
        padded[: values.shape[0], : values.shape[1]] = values
        values = padded
    sums: np.ndarray = values.reshape(height // side, side, width // side, side).sum(axis=(1, 3))
    return sums
