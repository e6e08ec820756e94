"""Rows of patches with captions, drawn pixel by pixel: an image in milliseconds, without matplotlib."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK, GREY = (20, 20, 20), (90, 90, 90)
_TILE = 128  # pixels of a patch's side, about
_GAP, _MARGIN = 6, 16
_CAPTION_LINES = 4
_SMALL = 11  # pixels of a caption's letters


class Row(NamedTuple):
    """A titled row of a gallery.

    Attributes:
        title: written above the patches; empty for none.
        images: uint8 ``[n, H, W, 3]``.
        captions: ``[n]`` texts below the patches, their lines wrapped to their width; empty ones take no place.
    """

    title: str
    images: np.ndarray
    captions: Sequence[str]


def draw_gallery(title: str, rows: Sequence[Row], note: str = "", side_by_side: int = 1) -> np.ndarray:
    """Draw rows of patches, which are all of one size; those side by side in a line are filled column by column."""
    tiles = [[_enlarge(image) for image in row.images] for row in rows]
    captions = [[_wrap(text, tile.width) for text, tile in zip(r.captions, t)] for r, t in zip(rows, tiles)]
    side = tiles[0][0].size
    head = 22 if any(row.title for row in rows) else 0
    row_width = max(len(row) for row in tiles) * (side[0] + _GAP) - _GAP
    lines = -(-len(rows) // side_by_side)
    lengths = [max((len(c) for row in captions[line::lines] for c in row), default=0) for line in range(lines)]
    tops = [_MARGIN + 30 + (20 if note else 0)]  # of each line, and the end of the last
    for length in lengths:
        tops.append(tops[-1] + head + side[1] + 15 * length + 10)
    width = max(side_by_side * (row_width + _MARGIN) + _MARGIN, int(_font(18).getlength(title)) + 2 * _MARGIN)
    canvas = Image.new("RGB", (width, tops[-1] + _MARGIN // 2), "white")
    draw = ImageDraw.Draw(canvas)
    _write(draw, (_MARGIN, _MARGIN - 4), title, INK, 18)
    _write(draw, (_MARGIN, _MARGIN + 24), _fitting(note, width - 2 * _MARGIN, 12), GREY, 12)
    for number, row in enumerate(rows):
        x = _MARGIN + number // lines * (row_width + _MARGIN)
        y = tops[number % lines]
        _write(draw, (x, y), _fitting(row.title, row_width, 13), INK, 13)
        for tile, text in zip(tiles[number], captions[number]):
            canvas.paste(tile, (x, y + head))
            for line, words in enumerate(text):
                _write(draw, (x, y + head + side[1] + 2 + 15 * line), words, GREY, _SMALL)
            x += side[0] + _GAP
    return np.asarray(canvas)


def _write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, colour: tuple[int, int, int], size: int
) -> None:
    if not text.isascii() or not text.isprintable():
        from eurosat_cls.utils.figures import drawable  # with matplotlib, which other texts do not wait for

        text, fonts = drawable(text)
        if fonts:  # Pillow takes one font for a text; those of other scripts have the letters of ours too
            return draw.text(place, text, colour, ImageFont.truetype(str(fonts[0]), size))
    draw.text(place, text, colour, _font(size))


@lru_cache
def _font(size: int) -> Any:
    # Pillow's own letters end with ASCII; those that matplotlib brings along are found without importing it.
    found = find_spec("matplotlib")
    path = Path(found.origin or "").parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf" if found else None
    return ImageFont.truetype(str(path), size) if path and path.is_file() else ImageFont.load_default(size)


def _enlarge(image: np.ndarray) -> Image.Image:
    """Repeat the pixels of a small patch a whole number of times; shrink a large one."""
    height, width = image.shape[:2]
    times = round(_TILE / max(height, width))
    if times > 1:
        return Image.fromarray(image.repeat(times, 0).repeat(times, 1))
    small = Image.fromarray(image)
    small.thumbnail((2 * _TILE, 2 * _TILE))
    return small


def _wrap(text: str, width: int) -> list[str]:
    """Break a caption into lines of at most ``width`` pixels, the parts of a sum first; what does not fit is cut."""
    if "\n" in text:
        return [line for part in text.split("\n") for line in _wrap(part, width)]
    if _font(_SMALL).getlength(text) <= width:
        return [text] if text else []
    lines: list[str] = []
    for number, part in enumerate(text.split(" + ")):
        for position, word in enumerate((f"+ {part}" if number else part).split()):
            longer = f"{lines[-1]} {word}" if position else word
            if position and _font(_SMALL).getlength(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
    if len(lines) > _CAPTION_LINES:
        lines = [*lines[: _CAPTION_LINES - 1], " ".join(lines[_CAPTION_LINES - 1 :])]
    return [_fitting(line, width, _SMALL) for line in lines]


def _fitting(text: str, width: int, size: int) -> str:
    if _font(size).getlength(text) <= width:
        return text
    while text and _font(size).getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."
