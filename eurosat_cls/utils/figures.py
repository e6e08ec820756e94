"""Figures of matplotlib: with a headline, as PNG, their texts taken as they are in letters that there is a font for."""

import io
import logging
import os
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, LogFormatter

from eurosat_cls.utils.text import printable

if not os.path.isabs(matplotlib.matplotlib_fname()):
    matplotlib.rcdefaults()  # a file of the current folder has no say in what is drawn, or by which programs
USUAL = Path(font_manager.findfont("DejaVu Sans"))  # matplotlib brings it along
_DPI = 110
_log = logging.getLogger(__name__)


class Picture(Figure):
    """A figure that shows itself in a notebook, also where pyplot has not been imported."""

    def _repr_png_(self) -> bytes:
        return png_of(self)


def figure_of(pixels: np.ndarray) -> Figure:
    """Return an image ``[H, W, 3]`` uint8 as a figure, pixel by pixel."""
    height, width = pixels.shape[:2]
    figure = Picture(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    figure.figimage(pixels)
    return figure


def new_figure(width: float, height: float, title: str, note: str = "") -> Figure:
    """Return an empty figure of this size in inches, with a headline and a smaller line below it."""
    head = (0.6 if note else 0.38) / height
    engine = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - head))
    figure = Picture(figsize=(width, height), dpi=_DPI, layout=engine)
    figure.text(0.01, 1 - 0.08 / height, title, va="top", fontsize=13)
    figure.text(0.01, 1 - 0.34 / height, note, va="top", fontsize=9, color="#555555")
    return figure


def png_of(figure: Figure) -> bytes:
    """Return a figure as a PNG file, the same bytes for the same figure."""
    settle_texts(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def settle_texts(figure: Figure) -> None:
    """Let no text of a figure be a formula, but for the powers of ten of an axis, and name fonts for rare letters."""
    powers: set[Artist] = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        labels = axis.get_ticklabels(which="both")
        if isinstance(axis.get_major_formatter(), LogFormatter):
            powers |= set(labels)
        elif isinstance(axis.get_major_locator(), FixedLocator) and any(label.get_text() for label in labels):
            axis.set_ticklabels([drawable(label.get_text())[0] for label in axis.get_ticklabels()])
    for text in set(figure.findobj(Text)) - powers:  # type: ignore[arg-type]
        words, fonts = drawable(text.get_text())
        text.set_text(words)
        text.set_parse_math(False)
        if fonts:
            text.set_fontfamily(["DejaVu Sans", *(FT2Font(str(path)).family_name for path in fonts)])


def drawable(text: str) -> tuple[str, tuple[Path, ...]]:
    """Return a text as it can be drawn, and the fonts that it needs besides the usual one.

    Letters that no installed font has become U+FFFD, and are named in a warning.
    """
    text = printable(text)
    rare = sorted({letter for letter in text if ord(letter) > 0x17F and ord(letter) not in _letters(USUAL)})
    fonts, missing = _fonts_for("".join(rare))
    return text.translate(dict.fromkeys(missing, "\ufffd")), fonts


@lru_cache
def _fonts_for(letters: str) -> tuple[tuple[Path, ...], frozenset[int]]:
    missing, chosen = set(map(ord, letters)), list[Path]()
    while missing and (best := max(_installed(), key=lambda path: len(missing & _letters(path)), default=None)):
        if not missing & _letters(best):
            break
        missing -= _letters(best)
        chosen.append(best)
        font_manager.fontManager.addfont(str(best))
    _warn_of(missing)
    return tuple(chosen), frozenset(missing)


_told: list[str] = []  # once is enough


def _warn_of(missing: Iterable[int]) -> None:
    if missing and not _told:
        _told.append("".join(map(chr, sorted(missing)[:10])))
        hint = "install one, such as Noto Sans CJK for Chinese, Japanese and Korean"
        _log.warning("pictures: no installed font has letters such as %s; %s", _told[0], hint)


@cache
def _installed() -> list[Path]:
    return [Path(path) for path in sorted(font_manager.findSystemFonts())]


@cache
def _letters(path: Path) -> frozenset[int]:
    try:
        font = FT2Font(str(path))
    except (OSError, RuntimeError):  # damaged, or of a kind that cannot be drawn
        return frozenset()
    return frozenset(font.get_charmap()) if font.scalable else frozenset()
