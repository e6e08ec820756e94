"""Sum up finished maps, and lay their classes side by side."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import rasterio
from rasterio.coords import BoundingBox

from eurosat_cls.scenes.folder import read_manifest
from eurosat_cls.scenes.hectares import HEAD, harmless_csv
from eurosat_cls.scenes.legend import NODATA
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_bytes, write_text


class FinishedMap(NamedTuple):
    """The map of a scene.

    Attributes:
        folder: that it is in.
        manifest: what it says of itself.
    """

    folder: Path
    manifest: dict[str, Any]


def collect(out: Path) -> Iterator[str]:
    """Sum up the maps in a folder: ``areas.csv``, and ``classes*.vrt`` for each CRS.

    Args:
        out: the ``--out`` of the maps.

    Yields:
        What a person should know, in lines.

    Raises:
        UserError: when there are no finished maps, or they have different classes.
    """
    if not out.is_dir():
        raise UserError(f"--collect {out}: there is no such folder.")
    maps = [FinishedMap(path, found) for path in sorted(out.iterdir()) if (found := read_manifest(path)) is not None]
    if not maps:
        raise UserError(f"--collect {out}: there are no finished maps in it.")
    first = maps[0].manifest
    for folder, manifest in maps:
        if manifest["classes"] != first["classes"] or manifest["settings"]["model"] != first["settings"]["model"]:
            raise UserError(f"--collect {out}: {folder.name} was made with another model than {maps[0].folder.name}.")
    write_text(out / "areas.csv", harmless_csv(HEAD, summed_areas([m["areas"] for _, m in maps])))
    yield f"{out / 'areas.csv'}: {len(maps)} maps"
    by_crs: dict[str, list[FinishedMap]] = defaultdict(list)
    for one in maps:
        grid = one.manifest["grid"]
        by_crs[json.dumps([grid["crs"], grid["transform"][0], grid["transform"][4]])].append(one)
    for number, members in enumerate(by_crs.values()):
        path = out / (f"classes_{number}.vrt" if len(by_crs) > 1 else "classes.vrt")
        transform = members[0].manifest["grid"]["transform"]
        boxes = write_vrt(path, [one.folder / "classes.tif" for one in members], (transform[0], transform[4]))
        yield str(path)
        overlapping = [(a, b) for a, b in combinations(range(len(boxes)), 2) if _overlap(boxes[a], boxes[b])]
        if overlapping:
            a, b = overlapping[0]
            yield (
                f"warning: {len(overlapping)} pairs of maps overlap, as neighbouring Sentinel-2 tiles do ("
                f"{members[a].folder.name} and {members[b].folder.name}, for one): land in both is counted twice in "
                "areas.csv, and the VRT shows the last one."
            )


def _overlap(a: BoundingBox, b: BoundingBox) -> bool:
    width, height = min(a.right, b.right) - max(a.left, b.left), min(a.top, b.top) - max(a.bottom, b.bottom)
    return bool(width > 0 and height > 0)


def summed_areas(tables: list[list[list[str]]]) -> list[list[str]]:
    """Add up tables of areas: pixels and hectares are summed, confidence is averaged over pixels."""
    pixels: dict[str, int] = defaultdict(int)
    hectares: dict[str, float] = defaultdict(float)
    confidence: dict[str, float] = defaultdict(float)
    exclusive = all(row[3] or row[1] == "0" for table in tables for row in table)
    for table in tables:
        for name, count, area, _, mean in table:
            pixels[name] += int(count)
            hectares[name] += float(area) if area else float("nan")
            confidence[name] += int(count) * float(mean) if mean else 0.0
    total = sum(pixels.values())
    return [
        [name, str(count), "" if hectares[name] != hectares[name] else f"{hectares[name]:.4f}",
         f"{count / total:.6f}" if exclusive and total else "", f"{confidence[name] / count:.4f}" if count else ""]
        for name, count in pixels.items()
    ]  # fmt: skip


def write_vrt(path: Path, sources: list[Path], pixel: tuple[float, float]) -> list[BoundingBox]:
    """Lay rasters of one CRS side by side; return the extent of each.

    Args:
        path: of the VRT.
        sources: rasters, whose cells need not lie on one grid.
        pixel: width and (negative) height of the VRT's pixels: those of the scenes, so that no cell is moved.
    """
    boxes, shapes = [], []
    for source in sources:
        with rasterio.open(source) as dataset:
            boxes.append(dataset.bounds)
            shapes.append((dataset.width, dataset.height))
            crs, bands = dataset.crs, dataset.count
            table = dataset.colormap(1) if dataset.count == 1 else {}
            names = list(dataset.descriptions)
    left, top = min(box.left for box in boxes), max(box.top for box in boxes)
    right, bottom = max(box.right for box in boxes), min(box.bottom for box in boxes)
    width, height = round((right - left) / pixel[0]), round((bottom - top) / pixel[1])
    root = ET.Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    if crs is not None:
        ET.SubElement(root, "SRS", dataAxisToSRSAxisMapping="2,1" if crs.is_geographic else "1,2").text = crs.to_wkt()
    values = (left, pixel[0], 0.0, top, 0.0, pixel[1])
    ET.SubElement(root, "GeoTransform").text = ", ".join(repr(float(value)) for value in values)
    for number in range(1, bands + 1):
        band = ET.SubElement(root, "VRTRasterBand", dataType="Byte", band=str(number))
        ET.SubElement(band, "Description").text = names[number - 1]
        ET.SubElement(band, "NoDataValue").text = str(NODATA)
        if table:
            ET.SubElement(band, "ColorInterp").text = "Palette"
            colours = ET.SubElement(band, "ColorTable")
            for value in range(256):
                ET.SubElement(colours, "Entry", dict(zip(("c1", "c2", "c3", "c4"), map(str, table[value]))))
        for source, box, (w, h) in zip(sources, boxes, shapes, strict=True):
            part = ET.SubElement(band, "ComplexSource")
            ET.SubElement(part, "SourceFilename", relativeToVRT="1").text = os.path.relpath(source, path.parent)
            ET.SubElement(part, "SourceBand").text = str(number)
            ET.SubElement(part, "SrcRect", xOff="0", yOff="0", xSize=str(w), ySize=str(h))
            place = {
                "xOff": (box.left - left) / pixel[0],
                "yOff": (box.top - top) / pixel[1],
                "xSize": (box.right - box.left) / pixel[0],
                "ySize": (box.bottom - box.top) / pixel[1],
            }
            ET.SubElement(part, "DstRect", {name: f"{value:.6f}" for name, value in place.items()})
            ET.SubElement(part, "NODATA").text = str(NODATA)
    ET.indent(root)
    write_bytes(path, ET.tostring(root, encoding="utf-8") + b"\n")
    return boxes
