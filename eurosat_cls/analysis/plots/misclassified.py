"""The most confident errors and the least certain hits."""

from collections.abc import Sequence

import numpy as np

from eurosat_cls.analysis.hard_examples import HardExample, HardExamples, ScoredTarget
from eurosat_cls.analysis.plots.colour import displayed, stretch_limits, to_rgb
from eurosat_cls.analysis.plots.gallery import Row, draw_gallery
from eurosat_cls.analysis.plots.overlay import enlarge
from eurosat_cls.analysis.plots.style import shortened

_IN_A_ROW = 6


def draw_misclassified(
    images: np.ndarray, hardest: HardExamples, files: Sequence[str], bands: Sequence[str], note: str = ""
) -> np.ndarray:
    """Draw the patches of the cases with their file, what was said of them, and what is true or was next likely."""
    tiles, errors = enlarge(to_tiles(images, bands)), len(hardest.errors)
    captions = [_caption(case, file, "true") for case, file in zip(hardest.errors, files)]
    captions += [_caption(case, file, "next") for case, file in zip(hardest.hits, files[errors:])]
    rows = []
    for title, start, end in (("Most confident errors", 0, errors), ("Least certain hits", errors, len(tiles))):
        for first in range(start, end, _IN_A_ROW):
            last = min(first + _IN_A_ROW, end)
            rows.append(Row(title if first == start else "", tiles[first:last], captions[first:last]))
    note = f"{note}; below: file, prediction, and what is true or was next likely"
    return draw_gallery("Where the network is wrong, and where it is not sure", rows, note)


def to_tiles(images: np.ndarray, bands: Sequence[str]) -> np.ndarray:
    """Return raw ``[n, C, H, W]`` as uint8 ``[n, H, W, 3]``, all stretched alike."""
    shown = images[:, displayed(bands)]
    return to_rgb(shown, *stretch_limits(shown))


def percent(said: ScoredTarget) -> str:
    """Name a side and its probability.

    Example:
        >>> from eurosat_cls.analysis.hard_examples import ClassTarget
        >>> percent(ScoredTarget(ClassTarget("River", 1, 1), 0.976))
        'River 97.6 %'
    """
    return f"{shortened(said.side.name, 20)} {100 * said.probability:.1f} %"


def short_file(file: str, length: int = 26) -> str:
    """Return the last part of a file's name, shortened in its middle."""
    return shortened(file.rsplit("/", 1)[-1], length)


def _caption(case: HardExample, file: str, other: str) -> str:
    return f"{short_file(file)}\n{percent(case.said)}\n{other}: {percent(case.other)}"
