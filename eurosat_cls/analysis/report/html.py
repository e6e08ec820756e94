"""Pages made from templates that escape every text: one file, no scripts, nothing from a network."""

import base64
import functools
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_text, writing
from eurosat_cls.utils.limits import PICTURE, read_bytes

if TYPE_CHECKING:
    from jinja2 import Environment

SMALL = 200_000  # bytes above which a picture is packed tighter
LARGEST = 50_000_000  # pixels of a picture
PACKED = 12_000_000  # pixels above which packing takes seconds


class Table(NamedTuple):
    """Plain text in rows below a head.

    Example:
        >>> Table(["class", "F1"], [["River", "0.98"], ["Forest", "-"]]).numeric
        [False, True]
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers, or nothing, in every cell; these stand to the right."""
        columns = range(len(self.head))
        return [bool(self.rows) and all(_is_number(row[column]) for row in self.rows) for column in columns]


class Picture(NamedTuple):
    """A picture with its content as a ``data:`` address, and the text below it."""

    source: str
    caption: str


def write_page(path: Path, template: str, content: Mapping[str, object]) -> None:
    """Write a page.

    Args:
        path: the page.
        template: name of a file among the templates.
        content: what it shows, by the names that it uses; text is escaped there.

    Raises:
        UserError: when the file cannot be written.
    """
    page = _environment().get_template(template).render(content)
    with writing(path):
        write_text(path, page)


@functools.cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # 30 ms that a start need not wait for

    loader = PackageLoader("eurosat_cls.analysis.report")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def read_picture(path: Path, caption: str) -> Picture:
    """Return a picture with its content, packed tighter when it is large.

    Raises:
        UserError: when it cannot be read, is no PNG, or a bomb.
    """
    try:
        data, kind = read_bytes(path, PICTURE), "png"
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.width * image.height > LARGEST:
                raise ValueError(f"{image.width} x {image.height} pixels")
            packed = io.BytesIO()
            if len(data) > SMALL and image.width * image.height <= PACKED:
                image.convert("RGB").save(packed, "WEBP", quality=80)
            if 0 < packed.tell() < len(data):
                data, kind = packed.getvalue(), "webp"
    except UserError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read ({error}).") from None
    return Picture(f"data:image/{kind};base64,{base64.b64encode(data).decode()}", caption)


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "").replace("%", "").removeprefix("-") or "0")  # a dash is a score without a value
    except ValueError:
        return False
    return True
