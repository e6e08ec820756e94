"""GDAL's virtual rasters: XML that names other files, and may name addresses and code."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from eurosat_cls.scenes.formats import driver_for
from eurosat_cls.utils.errors import UserError

_MAX_BYTES = 64 * 2**20
_MAX_FILES = 1000
# What gdalbuildvrt and gdal_translate write; warped, pansharpened, raw and computed bands are left out.
# fmt: off
_ELEMENTS = frozenset((
    "VRTDataset", "SRS", "GeoTransform", "GCPList", "GCP", "Metadata", "MDI", "VRTRasterBand", "Description",
    "UnitType", "Offset", "Scale", "NoDataValue", "HideNoDataValue", "ColorInterp", "ColorTable", "Entry",
    "CategoryNames", "Category", "Histograms", "HistItem", "HistMin", "HistMax", "BucketCount", "IncludeOutOfRange",
    "Approximate", "HistCounts", "SimpleSource", "ComplexSource", "AveragedSource", "SourceFilename", "SourceBand",
    "SourceProperties", "SrcRect", "DstRect", "NODATA", "UseMaskBand", "ScaleOffset", "ScaleRatio", "LUT", "MaskBand",
    "OverviewList", "BlockXSize", "BlockYSize",
))
# fmt: on
# GDAL reads an attribute where it expects an element, in any case; so attributes are named here, too.
# fmt: off
_ATTRIBUTES = frozenset((
    "rasterXSize", "rasterYSize", "dataType", "band", "subClass", "blockXSize", "blockYSize", "relativeToVRT",
    "shared", "dataAxisToSRSAxisMapping", "coordinateEpoch", "domain", "format", "key", "c1", "c2", "c3", "c4",
    "RasterXSize", "RasterYSize", "DataType", "BlockXSize", "BlockYSize", "xOff", "yOff", "xSize", "ySize",
    "resampling", "Projection", "Id", "Pixel", "Line", "X", "Y", "Z", "Info",
))
# fmt: on


def check_vrt(path: Path) -> None:
    """Refuse a VRT that is not made of plain rasters in its own folder or below.

    Raises:
        UserError: for sources elsewhere, missing or not to be read, for bands computed by code, and for XML that is
            damaged or of another kind than GDAL's tools write.
    """
    inside, todo, seen = path.parent.resolve(), [path], {path.resolve()}
    while todo:
        vrt = todo.pop()
        for source in _sources(vrt):
            real = source.resolve()
            if not real.is_relative_to(inside):
                raise UserError(f"{vrt}: refused, its source {str(source)!r} is not in the folder of the VRT.")
            if not real.is_file():
                raise UserError(f"{vrt}: its source {source} is missing.")
            if real in seen:
                continue
            seen.add(real)
            if len(seen) > _MAX_FILES:
                raise UserError(f"{vrt}: refused, it is made of more than {_MAX_FILES:,} files.")
            driver = driver_for(real)
            if driver is None:
                raise UserError(f"{vrt}: its source {source} is no GeoTIFF, JPEG 2000, PNG or Erdas Imagine file.")
            if driver == "VRT":
                todo.append(real)


def _sources(vrt: Path) -> Iterator[Path]:
    for element in _parse(vrt).iter():
        strange = {element.tag} - _ELEMENTS or element.attrib.keys() - _ATTRIBUTES
        if element.get("subClass", "VRTSourcedRasterBand") != "VRTSourcedRasterBand":
            strange = {element.attrib["subClass"]}
        if strange:
            raise UserError(
                f"{vrt}: refused, it holds {strange.pop()!r}; make a GeoTIFF of it: gdal_translate {vrt.name} scene.tif"
            )
        if element.tag == "SourceFilename":
            name, relative = (element.text or "").strip(), element.get("relativeToVRT", "0")
            if ":" in name or "<" in name or relative not in ("0", "1"):
                raise UserError(f"{vrt}: refused, its source {name!r} is not the name of a file.")
            yield vrt.parent / name if relative == "1" else Path(name)


def _parse(vrt: Path) -> ElementTree.Element:
    try:
        with vrt.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES or b"<!" in text:  # entities, which can grow
            raise UserError(f"{vrt}: refused, a VRT this large or with declarations.")
        return ElementTree.fromstring(text)
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{vrt}: not a whole VRT ({error}).") from error
