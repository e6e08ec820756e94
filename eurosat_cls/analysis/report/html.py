"""The little HTML that reports are made of: one file, no scripts, nothing from a network."""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_text

SMALL = 200_000  # bytes above which a picture is packed tighter
LARGEST = 50_000_000  # pixels of a picture
LONG = 40  # letters of a cell that may be broken anywhere

_STYLE = """
:root{color-scheme:light dark;--ink:#1c1c1c;--grey:#666;--line:#ddd;--back:#fff;--tile:#f4f6f8;--accent:#0072b2}
@media(prefers-color-scheme:dark){:root{--ink:#e8e8e8;--grey:#a0a0a0;--line:#444;--back:#181a1b;--tile:#24282b;
--accent:#56b4e9}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:70rem;padding:1rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);
background:var(--back);overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.2;margin:.5rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
p.note,figcaption{color:var(--grey);font-size:.9rem;margin:.3rem 0}
.tiles{display:flex;flex-wrap:wrap;gap:.6rem}
.tile{background:var(--tile);border-radius:.4rem;padding:.5rem .9rem;min-width:8rem}
.tile b{display:block;font-size:1.4rem;color:var(--accent)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem .25rem 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top;
overflow-wrap:normal}
td.number,th.number{text-align:right}td.long{overflow-wrap:anywhere}
@media(max-width:40rem){table{font-size:.78rem}th,td{padding-right:.45rem}}
figure{margin:1rem 0}figure img{max-width:100%;height:auto;background:#fff;border-radius:.3rem}
pre{overflow-x:auto;background:var(--tile);padding:.8rem;font-size:.82rem;border-radius:.3rem}
summary{cursor:pointer}
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page.

    Args:
        title: plain text.
        parts: HTML.
    """
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def write_page(path: Path, title: str, parts: Iterable[str]) -> None:
    """Write a page.

    Raises:
        UserError: when the file cannot be written.
    """
    try:
        write_text(path, page(title, parts))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}).") from None


def heading(text: str, level: int = 2) -> str:
    """Return a heading of plain text."""
    return f"<h{level}>{html.escape(text)}</h{level}>"


def note(text: str) -> str:
    """Return a line of small print."""
    return f'<p class="note">{html.escape(text)}</p>'


def tiles(metrics: Iterable[tuple[str, str]]) -> str:
    """Return names and values, side by side."""
    each = (f'<div class="tile">{html.escape(name)}<b>{html.escape(value)}</b></div>' for name, value in metrics)
    return f'<div class="tiles">{"".join(each)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""Return a table of plain text; cells that hold a number stand to the right.

    Example:
        >>> print(table(["class", "F1"], [["River", "0.98"]]).replace("</tr>", "</tr>\n"))
        <div class="wide"><table><tr><th>class</th><th class="number">F1</th></tr>
        <tr><td>River</td><td class="number">0.98</td></tr>
        </table></div>
    """
    lines = [list(row) for row in rows]
    right = [bool(lines) and all(_is_number(row[place]) for row in lines) for place in range(len(head))]
    kinds = [' class="number"' if number else "" for number in right]
    top = "".join(f"<th{kind}>{html.escape(cell)}</th>" for cell, kind in zip(head, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(_cell(text, kind) for text, kind in zip(row, kinds, strict=True)) + "</tr>" for row in lines
    )
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'


def folded(title: str, text: str) -> str:
    """Return preformatted text that opens when it is asked for."""
    return f"<details><summary>{html.escape(title)}</summary><pre>{html.escape(text)}</pre></details>"


def picture(path: Path, caption: str) -> str:
    """Return a picture with its content, packed tighter when it is large.

    Raises:
        UserError: when it cannot be read, is no PNG, is a link (to what was never meant to be shown), or a bomb.
    """
    try:
        if path.is_symlink():
            raise ValueError("it is a link")
        data, kind = path.read_bytes(), "png"
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.width * image.height > LARGEST:
                raise ValueError(f"{image.width} x {image.height} pixels")
            packed = io.BytesIO()
            if len(data) > SMALL:
                image.convert("RGB").save(packed, "WEBP", quality=80)
            if 0 < packed.tell() < len(data):
                data, kind = packed.getvalue(), "webp"
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read ({error}).") from None
    content = base64.b64encode(data).decode()
    told = html.escape(caption)
    return (
        f'<figure><img src="data:image/{kind};base64,{content}" alt="{told}"><figcaption>{told}</figcaption></figure>'
    )


def _cell(text: str, kind: str) -> str:
    kind = ' class="long"' if len(text) > LONG else kind
    return f"<td{kind}>{html.escape(text)}</td>"


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "").replace("%", "") or "0")
    except ValueError:
        return False
    return True
