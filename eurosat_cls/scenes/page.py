"""``map.html``: a map to look at in a browser, in one file that fetches nothing."""

import base64
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from eurosat_cls.scenes.images import Images
from eurosat_cls.scenes.legend import Entry
from eurosat_cls.scenes.scene import Grid
from eurosat_cls.utils.files import write_text

_QUALITY = 82  # of the true colour as JPEG


def write_page(
    path: Path,
    images: Images,
    legends: Mapping[str, Sequence[Entry]],
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    grid: Grid,
    title: str,
    note: str,
) -> None:
    """Write the page of a map.

    Text of foreign origin, such as names of classes, gets into the page as JSON and out of it as text, never as markup.

    Args:
        path: of the page.
        images: what the map looks like.
        legends: of each band of ``classes.tif``.
        names: of the classes.
        rows: of the table of areas, a class each.
        grid: of the scene.
        title: headline.
        note: line below it.
    """
    multilabel = len(images.classes) > 1
    entries = [parts[1] for parts in legends.values()] if multilabel else next(iter(legends.values()))
    with_area = any(row[2] for row in rows)
    data: dict[str, Any] = {
        "title": title,
        "note": note,
        "unit": "ha" if with_area else "pixels",
        "legend": [
            {"value": entry.value, "name": entry.name, "rgb": entry.colour, "pixels": int(row[1]),
             "area": f"{float(row[2]):,.1f}" if with_area else f"{int(row[1]):,}",
             "share": f"{100 * float(row[3]):.1f} %" if row[3] else ""}
            for entry, row in zip(entries, rows, strict=True)
        ],
        "names": list(names),
        "multilabel": multilabel,
        "height": grid.height,
        "width": grid.width,
        "cells": list(images.classes.shape[1:]),
        "cellPixels": images.cell_pixels,
        "colourSize": [side * images.colour_pixels for side in images.colour.shape[:2]],
        "transform": list(grid.transform)[:6],
        "crs": _name_of(grid),
        "decimals": 5 if grid.crs is not None and grid.crs.is_geographic else 0,
        "colour": _jpeg(images.colour),
        "classes": _packed(images.classes),
        "probabilities": _packed(images.probabilities),
    }  # fmt: skip
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", " ").replace("\u2029", " ")
    page = (files("eurosat_cls.scenes") / "map.html").read_text(encoding="utf-8")
    write_text(path, page.replace("__DATA__", text.encode("utf-8", "replace").decode()))


def _name_of(grid: Grid) -> str:
    code = grid.crs.to_epsg() if grid.crs is not None else None
    return f"EPSG:{code}" if code else ""


def _jpeg(picture: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=_QUALITY)
    return base64.b64encode(stream.getvalue()).decode()


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(gzip.compress(np.ascontiguousarray(values).tobytes(), 6, mtime=0)).decode()
