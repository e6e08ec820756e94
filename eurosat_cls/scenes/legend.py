"""Names and colours of the classes, in the forms that GDAL and QGIS read."""

import json
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

from eurosat_cls.utils.class_colours import RGB, as_hex, class_colour

NODATA, UNCERTAIN = 255, 254
GREY = (150, 150, 150)


class Entry(NamedTuple):
    """A value of a map, what it stands for, and its colour in three bytes."""

    value: int
    name: str
    colour: RGB

    @property
    def hex(self) -> str:
        """The colour as CSS and QGIS write it."""
        return as_hex(self.colour)


def legend_of(class_names: Sequence[str], uncertain: bool = False) -> list[Entry]:
    """Return the values of a map of classes.

    Args:
        class_names: in label order.
        uncertain: whether cells may be left undecided.

    Example:
        >>> [entry.hex for entry in legend_of(["Forest", "Glacier"], uncertain=True)]
        ['#166c3a', '#e69f00', '#969696']
    """
    entries = [Entry(value, name, class_colour(value, name)) for value, name in enumerate(class_names)]
    return [*entries, Entry(UNCERTAIN, "uncertain", GREY)] if uncertain else entries


def colour_table(entries: Sequence[Entry]) -> dict[int, tuple[int, int, int, int]]:
    """Return the colour table of a byte raster; what has no name is transparent."""
    table = dict.fromkeys(range(256), (0, 0, 0, 0))
    return {**table, **{entry.value: (*entry.colour, 255) for entry in entries}}


def tags_of(entries: Sequence[Entry]) -> dict[str, str]:
    """Return what the file itself says of its values, for whoever has lost the sidecar."""
    named = {str(entry.value): entry.name for entry in entries}
    return {
        "CLASS_NAMES": json.dumps(named, ensure_ascii=False),
        "CLASS_COLOURS": json.dumps({str(entry.value): entry.hex for entry in entries}),
    }


def write_names(bands: Sequence[Sequence[Entry]], counts: Sequence[dict[int, int]]) -> bytes:
    """Return a PAM sidecar (``.aux.xml``) with category names and an attribute table for each band.

    Source: GDAL's data model of Persistent Auxiliary Metadata, ``PAMDataset`` in ``gdal_pam.h`` and the field usages
    ``GFU_*`` in ``gdal.h``.

    Args:
        bands: the legend of each band.
        counts: likewise, pixels of each value.
    """
    root = ET.Element("PAMDataset")
    for number, (entries, count) in enumerate(zip(bands, counts, strict=True), 1):
        band = ET.SubElement(root, "PAMRasterBand", band=str(number))
        names = ET.SubElement(band, "CategoryNames")
        by_value = {entry.value: entry.name for entry in entries}
        for value in range(max(by_value) + 1):
            ET.SubElement(names, "Category").text = _clean(by_value.get(value, ""))
        _attribute_table(band, entries, count)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8")  # GDAL reads no PAM behind an XML declaration
    return text + b"\n"


def _attribute_table(band: ET.Element, entries: Sequence[Entry], counts: dict[int, int]) -> None:
    integer, text = "0", "2"
    min_max, count, name, red, green, blue = "5", "1", "2", "6", "7", "8"
    table = ET.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    fields = [("Value", integer, min_max), ("Count", integer, count), ("Class", text, name),
              ("Red", integer, red), ("Green", integer, green), ("Blue", integer, blue)]  # fmt: skip
    for index, (title, kind, usage) in enumerate(fields):
        field = ET.SubElement(table, "FieldDefn", index=str(index))
        for tag, value in (("Name", title), ("Type", kind), ("Usage", usage)):
            ET.SubElement(field, tag).text = value
    for index, entry in enumerate(entries):
        row = ET.SubElement(table, "Row", index=str(index))
        for cell in (entry.value, counts.get(entry.value, 0), _clean(entry.name), *entry.colour):
            ET.SubElement(row, "F").text = str(cell)


def write_style(bands: Sequence[Sequence[Entry]]) -> bytes:
    """Return a QGIS layer style (``.qml``) with the palette of the first band."""
    root = ET.Element("qgis", version="3.22")
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    palette = ET.SubElement(renderer, "colorPalette")
    for entry in bands[0]:
        ET.SubElement(
            palette, "paletteEntry", value=str(entry.value), label=_clean(entry.name), color=entry.hex, alpha="255"
        )
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8")
    return b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + text + b"\n"


def _clean(text: str) -> str:
    """Take out what no XML may hold: control characters and halves of surrogate pairs."""
    return "".join(c if c.isprintable() else " " for c in text)
