"""Patches, and where in them a network found what it said."""

from collections.abc import Sequence

import numpy as np

from eurosat_cls.analysis.hard_examples import HardExamples, ScoredTarget
from eurosat_cls.analysis.plots.gallery import Row, draw_gallery
from eurosat_cls.analysis.plots.misclassified import short_file, to_tiles
from eurosat_cls.analysis.plots.overlay import enlarge, overlay, scaled
from eurosat_cls.analysis.plots.style import shortened

_TILES = 6  # side by side: names below them are legible where a page is as wide as a report
_SIDE = 128  # of a tile in pixels, about
_LETTERS = 20  # of a name below a tile


def draw_evidence(
    images: np.ndarray,
    hardest: HardExamples,
    maps: np.ndarray,
    files: Sequence[str],
    bands: Sequence[str],
    note: str = "",
) -> np.ndarray:
    """Draw each patch and beside it the evidence for what was said, and for what is true or was next likely.

    ``images`` are those of the cases, ``maps`` ``[n, 2, h, w]`` float, not negative.
    """
    rows, tiles = [], enlarge(to_tiles(images, bands), _SIDE)
    words = ["true"] * len(hardest.errors) + ["next"] * len(hardest.hits)
    for case, word, tile, pair, file in zip(hardest.cases, words, tiles, maps, files, strict=True):
        captions = [_caption("predicted", case.said, pair[0]), _caption(word, case.other, pair[1])]
        seen = np.stack([tile, *(overlay(tile, scaled(cells)) for cells in pair)])
        rows.append(Row("error" if word == "true" else "hit", seen, [short_file(file, _LETTERS), *captions]))
    note = f"{note}; bright: evidence, each map up to its own highest"
    return draw_gallery("Grad-CAM: where the evidence lies", rows, note, min(len(rows), _TILES // 3))


def draw_rollouts(
    images: np.ndarray,
    hardest: HardExamples,
    maps: np.ndarray,
    files: Sequence[str],
    bands: Sequence[str],
    note: str = "",
) -> np.ndarray:
    """Draw each patch and beside it where attention goes: ``maps`` are ``[n, h, w]`` float."""
    rows, tiles = [], enlarge(to_tiles(images, bands), _SIDE)
    for number, (case, tile, cells, file) in enumerate(zip(hardest.cases, tiles, maps, files, strict=True)):
        seen = np.stack([tile, overlay(tile, scaled(cells, float(cells.min())))])
        error = number < len(hardest.errors)
        truth = f"\n{_caption('true', case.other)}" if error else ""
        captions = [short_file(file, _LETTERS), f"{_caption('predicted', case.said)}{truth}"]
        rows.append(Row("error" if error else "hit", seen, captions))
    note = f"{note}; bright: attention, each map from its own lowest to its highest"
    return draw_gallery("Attention rollout: where the network looks", rows, note, min(len(rows), _TILES // 2))


def _caption(word: str, said: ScoredTarget, cells: np.ndarray | None = None) -> str:
    text = f"{shortened(said.side.name, _LETTERS)}\n{word}, {100 * said.probability:.1f} %"
    return text if cells is None or cells.max() > 0 else f"{text}\nno evidence"
