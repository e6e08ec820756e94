"""What a Sentinel-2 product's own metadata say: level, baseline, offsets, and where the bands are."""

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from eurosat_cls.data.sentinel2 import PRODUCT_ORDER
from eurosat_cls.utils.errors import UserError

# The products' main file: as named since December 2016, and before.
METADATA = re.compile(r"MTD_MSI(L1C|L2A)\.xml|.+_MTD_SAF(L1C|L2A)_.+\.xml")
MAX_BYTES = 64 * 2**20
_IMAGE = re.compile(r"_(B\d\d|B8A)(?:_(\d\d)m)?$")
_QUANTIFICATION = 10_000


@dataclass(frozen=True)
class Image:
    """The image of a band that a product lists.

    Attributes:
        band: such as ``"B02"``.
        name: its path in the product, or the end of it, without suffix.
        resolution: of its pixels in m, where its name says so.
    """

    band: str
    name: str
    resolution: int | None


@dataclass(frozen=True)
class ProductMetadata:
    """What the main metadata file of a product says.

    Attributes:
        level: ``L1C`` or ``L2A``.
        baseline: processing baseline, such as ``"05.09"``; empty where not said.
        offsets: by band name, what is added to digital numbers to get 10,000 times the reflectance; none before
            baseline 04.00.
        images: the images of bands, in no order.
    """

    level: str
    baseline: str
    offsets: dict[str, int]
    images: list[Image]


def parse_metadata(text: bytes, file: str) -> ProductMetadata:
    """Read the main metadata file of a product.

    Args:
        text: its content.
        file: its name, for messages.

    Raises:
        UserError: for XML that is damaged, has declarations, or is not of a Level-1C or Level-2A product.

    Source: ESA, "Sentinel-2 Products Specification Document", issue 14.9 and later, for offsets and their order.
    """
    try:
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:  # entities, which can grow
            raise UserError(f"{file}: refused, metadata with declarations.")
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{file}: damaged metadata ({error}); get the product again.") from error
    levels = {"Level-1C": "L1C", "Level-2A": "L2A"}
    said = _first(root, "PROCESSING_LEVEL")
    level = next((short for name, short in levels.items() if said.startswith(name) or name in root.tag), None)
    if level is None:
        raise UserError(f"{file}: not the metadata of a Level-1C or Level-2A product.")
    quantification = _first(root, "BOA_QUANTIFICATION_VALUE" if level == "L2A" else "QUANTIFICATION_VALUE")
    if quantification not in ("", "10000", "10000.0"):
        raise UserError(f"{file}: its digital numbers are {quantification} times the reflectance, not 10,000 times.")
    return ProductMetadata(level, _first(root, "PROCESSING_BASELINE"), _offsets(root, level, file), _images(root))


def _first(root: ElementTree.Element, tag: str) -> str:
    return next(((element.text or "").strip() for element in root.iter(tag)), "")


def _offsets(root: ElementTree.Element, level: str, file: str) -> dict[str, int]:
    offsets: dict[str, int] = {}
    for element in root.iter("BOA_ADD_OFFSET" if level == "L2A" else "RADIO_ADD_OFFSET"):
        try:
            # band_id counts in ESA's order, by wavelength with B8A after B08; EuroSAT's files have B8A last.
            position, offset = int(element.get("band_id", "")), int(element.text or "")
        except ValueError:
            position, offset = -1, 0
        if not 0 <= position < len(PRODUCT_ORDER) or not -_QUANTIFICATION < offset <= 0:
            raise UserError(f"{file}: {element.tag} {element.text!r} of band_id {element.get('band_id')!r} is unknown.")
        offsets[PRODUCT_ORDER[position]] = offset
    return offsets if any(offsets.values()) else {}


def _images(root: ElementTree.Element) -> list[Image]:
    images = []
    for element in (*root.iter("IMAGE_FILE"), *root.iter("IMAGE_ID")):
        name = (element.text or "").strip()
        if found := _IMAGE.search(name):
            images.append(Image(found[1], name, int(found[2]) if found[2] else None))
    return images
