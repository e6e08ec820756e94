"""Names are data: no markup, no commands to terminals, letters of any script, bytes of any encoding."""

import csv
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text
from rich.table import Table

from eurosat_cls.analysis.plots.files import pixels_of
from eurosat_cls.analysis.plots.gallery import Row, draw_gallery
from eurosat_cls.utils import figures
from eurosat_cls.utils.files import csv_text, write_text
from eurosat_cls.utils.text import class_label, print_table, printable

MARKUP = ["a$b_{c$", "cost $5 to $9", r"\alpha $\frac{$", "[red] roof", "[/b]", "<b>&amp;", ":smile:", "%s {x}"]


@pytest.mark.parametrize("name", MARKUP)
def test_a_table_on_the_terminal_shows_names_as_they_are(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("class", name, title=name)
    table.add_row(name, "1")
    print_table(table)
    assert capsys.readouterr().out.count(name) == 3


def bars(names: list[str]) -> Figure:
    figure = Figure(figsize=(5, 5))
    figure.text(0, 0.9, names[0])
    axes = figure.add_subplot(title=names[0], xlabel=names[-1])
    axes.barh(range(len(names)), 1, label=names[0])
    axes.set_yticks(range(len(names)), names)
    axes.legend()
    return figure


def texts(figure: Figure, words: str) -> list[Text]:
    return [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text() == words]


@pytest.mark.parametrize("name", MARKUP)
def test_a_chart_shows_names_as_they_are(name: str) -> None:
    figure = bars([name, "water"])
    assert pixels_of(figure).std() > 0
    shown = texts(figure, name)
    assert len(shown) >= 4
    assert not any(text.get_parse_math() for text in shown)


def test_powers_of_ten_stay_powers() -> None:
    figure = Figure()
    axes = figure.add_subplot(xscale="log", xlim=(1e-6, 1))
    axes.set_yticks([0, 1], ["$5", "$9"])
    pixels_of(figure)
    assert axes.get_xticklabels()[0].get_parse_math()
    assert not axes.get_yticklabels()[0].get_parse_math()


@pytest.fixture
def fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed fonts, which is empty."""
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(path) for path in sorted(tmp_path.glob("*.ttf"))])
    monkeypatch.setattr(figures, "_told", [])
    for function in (figures._fonts_for, figures._installed):
        function.cache_clear()
    yield tmp_path
    for function in (figures._fonts_for, figures._installed):
        function.cache_clear()


def install_font(folder: Path, letters: str) -> None:
    """Make a font whose letters are full squares."""
    pen = TTGlyphPen(None)
    for number, point in enumerate([(0, 0), (0, 1000), (1000, 1000), (1000, 0)]):
        (pen.lineTo if number else pen.moveTo)(point)
    pen.closePath()
    square = pen.glyph()
    glyphs = dict.fromkeys([".notdef", *(f"u{ord(letter):04X}" for letter in letters)], square)
    font = FontBuilder(1000)
    font.setupGlyphOrder(list(glyphs))
    font.setupCharacterMap({ord(letter): f"u{ord(letter):04X}" for letter in letters})
    font.setupGlyf(glyphs)
    font.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    font.setupHorizontalHeader(ascent=1000, descent=0)
    font.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(folder / "squares.ttf")


@pytest.mark.parametrize("names", [["农田", "森林"], ["ไร่นา", "ป่า"], ["🌲", "水"]])
def test_letters_without_a_font_are_one_line(names: list[str], fonts: Path, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        pixels_of(bars(names))
        draw_gallery(names[0], [Row(names[1], np.zeros((1, 8, 8, 3), np.uint8), names[:1])])
    assert len(caplog.records) == 1
    assert "no installed font has letters such as" in caplog.text


def test_letters_come_from_an_installed_font(fonts: Path, caplog: pytest.LogCaptureFixture) -> None:
    install_font(fonts, "农田")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = bars(["农田 1", "water"])
        pixels_of(figure)
        gallery = draw_gallery("农田", [Row("", np.zeros((1, 8, 8, 3), np.uint8), ["x"])])
    assert {tuple(text.get_fontfamily()) for text in texts(figure, "农田 1")} == {("DejaVu Sans", "Squares")}
    assert (gallery[12:36, 16:52] < 100).mean() > 0.4  # squares of ink
    assert not caplog.records


@pytest.mark.parametrize(
    "name", ["Stra\udcdfe.png", "\x1b[31mred", "a\rb", "\u202egnp.exe", "tab\tand, comma", 'q"uote']
)
def test_files_and_terminals_get_every_name(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_text(tmp_path / "t.csv", csv_text([["file"], [name]]))
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["file"], [name.encode("utf-8", "backslashreplace").decode()]]
    print(printable(name))
    shown = capsys.readouterr().out
    assert not set(shown) & set("\x1b\r\u202e")


def test_one_name_of_a_class_in_all_forms() -> None:
    assert class_label("Fore\u0302t") == class_label("For\u00eat")
    assert class_label("two\nlines") == "two\\nlines"
    assert class_label(" 农田 (1) ") == " 农田 (1) "
