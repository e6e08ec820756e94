"""The page on which a person looks through doubted labels: one file that fetches nothing."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from eurosat_cls.analysis.plots.colour import colour_name, displayed, stretch_limits, to_rgb
from eurosat_cls.analysis.report.html import write_page

_QUALITY = 85  # of patches in WebP: 27 MB for 20,000 of EuroSAT's
_FOR_STRETCH = 500  # patches that decide how all are stretched


class Card(NamedTuple):
    """A doubted label.

    Attributes:
        file: name of the patch.
        given: its label.
        suggested: the class to take instead.
        p_given: probability of the label.
        p_suggested: that of the suggested class.
        margin: the latter less the former.
        agreeing: seeds that find the suggested class the most probable one.
    """

    file: str
    given: str
    suggested: str
    p_given: float
    p_suggested: float
    margin: float
    agreeing: int

    def cells(self) -> list[str]:
        """Return what a table has of it."""
        numbers = (f"{number:.6f}" for number in (self.p_given, self.p_suggested, self.margin))
        return [self.file, self.given, self.suggested, *numbers, str(self.agreeing)]


def write_gallery(
    path: Path, cards: Sequence[Card], images: np.ndarray, bands: Sequence[str], classes: Sequence[str], about: str
) -> None:
    """Write the page.

    Text of foreign origin gets into the page as JSON and out of it as text, never as markup.

    Args:
        path: of the page.
        cards: the doubted labels, in the order in which they are shown.
        images: ``[n, C, H, W]`` raw values of their patches.
        bands: ``[C]`` names.
        classes: all classes, for other corrections than the suggested one.
        about: line below the headline.

    Raises:
        UserError: when the file cannot be written.
    """
    channels, pictures = displayed(bands), []
    if cards:
        limits = stretch_limits(images[:: -(-len(images) // _FOR_STRETCH)][:, channels])
        for chunk in np.array_split(images[:, channels], -(-len(images) // _FOR_STRETCH)):
            pictures += [_webp(tile) for tile in to_rgb(chunk, *limits)]
    data = {
        "cards": [[*card.cells(), picture] for card, picture in zip(cards, pictures, strict=True)],
        "classes": list(classes),
    }
    text = json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")
    note = f"{about}; {colour_name(bands)}, stretched alike"
    write_page(path, "gallery.html", {"title": f"{len(cards):,} doubted labels", "about": note, "data": text})


def _webp(tile: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(tile).save(stream, "WEBP", quality=_QUALITY)
    return base64.b64encode(stream.getvalue()).decode()
