"""Decode a TIFF of any number of bands, and read where on Earth it lies.

Source: TIFF 6.0 (Adobe 1992); OGC GeoTIFF 1.1 (19-008r4); the GDAL_NODATA and GDAL_METADATA tags of GDAL's GTiff
driver.
"""

import io
import logging
import math
import zlib
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import islice
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from PIL import Image

from eurosat_cls.data.files.nodata import handle_nodata
from eurosat_cls.data.patch import BoundingBox, NoData, Patch, is_turned, upright
from eurosat_cls.data.sentinel2 import band_in_text, find_band
from eurosat_cls.utils.errors import UserError

MAX_PIXELS = 64_000_000  # where no size is asked for; below the point at which PIL itself warns
DTYPES = ("uint8", "uint16", "int16", "float32")

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAX_PAGES = 512
_JPEG, _DEFLATE = 7, (8, 32946)
_BUILT_IN = (1, *_DEFLATE)  # compressions that need no further package
_YCBCR, _GREY_OR_RGB = 6, (1, 2)  # photometric interpretations whose numbers are measurements as they are
_PALETTE, _ORIENTATION, _COLORMAP = 3, 274, 320
_OVERVIEW, _MASK = 1, 4  # bits of the NewSubfileType
_GDAL_METADATA, _GDAL_NODATA = 42112, 42113
_PIXEL_SCALE, _TIEPOINT, _TRANSFORMATION, _GEO_KEYS = 33550, 33922, 34264, 34735
_MODEL_TYPE, _RASTER_TYPE, _GEOGRAPHIC_CS, _PROJECTED_CS = 1024, 1025, 2048, 3072

# What it would warn about is either checked here or without effect on the pixels.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def is_tiff(data: bytes) -> bool:
    """Whether these bytes begin as a TIFF or BigTIFF does."""
    return data[:4] in _MAGIC


def decode_tiff(
    data: bytes,
    shape: tuple[int, int, int] | None = None,
    dtype: str | None = None,
    bands: Sequence[str] | None = None,
    nodata: NoData = "error",
) -> Patch:
    """Decode a TIFF; for arguments, result and errors see :func:`eurosat_cls.data.files.decode.decode_image`."""
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tiff:
            pages = _pages(tiff)
            place = _place(pages[0])
            # GDAL takes pixels as they are stored, and so do the coordinates that it writes
            orientation = 1 if place else int(pages[0].tags.valueof(_ORIENTATION, default=1))
            _check_layout(pages, shape, dtype, is_turned(orientation))
            for page in pages:
                _check_segments(page, data)
            order = _order(pages[0], bands)
            planes = [_pixels(page, data) for page in pages]
            pixels = planes[0] if len(planes) == 1 else np.concatenate(planes)
            handle_nodata(pixels, pages[0].tags.valueof(_GDAL_NODATA), nodata)
            if order is not None:
                pixels = pixels[order]
            return Patch(np.ascontiguousarray(upright(pixels, orientation)), place)
    except UserError:
        raise
    except Exception as error:  # tifffile raises what the bytes lead it to, from TypeError to MemoryError
        raise UserError(f"damaged TIFF ({type(error).__name__}: {str(error)[:100]})".replace("\n", " ")) from error


def described_bands(data: bytes) -> dict[int, str]:
    """Return the Sentinel-2 bands by whose names a decodable TIFF describes its channels: ``{channel: name}``.

    Channels without a description, or described as something else, are left out.

    Raises:
        UserError: when its GDAL_METADATA tag is unreadable.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        return _described(tiff.pages.first)


def has_colours(data: bytes) -> bool:
    """Whether the channels of a decodable TIFF are said to be red, green and blue."""
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        return tiff.pages.first.photometric not in (0, 1)


def _pages(tiff: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """Return the page that holds the image, or the pages that hold one band each."""
    pages: list[Any] = list(islice(tiff.pages, _MAX_PAGES + 1))
    if not pages:
        raise UserError("truncated or damaged TIFF (no image in it)")
    pages[1:] = [page for page in pages[1:] if not page.subfiletype & (_OVERVIEW | _MASK)]
    first = pages[0]
    alike = all(page.axes == "YX" and (page.shape, page.dtype) == (first.shape, first.dtype) for page in pages)
    if len(pages) > 1 and (not alike or len(pages) > _MAX_PAGES):
        raise UserError(f"{len(pages)} pages that do not form one image")
    return pages


def _check_layout(
    pages: Sequence[tifffile.TiffPage], shape: tuple[int, int, int] | None, dtype: str | None, turned: bool
) -> None:
    """Refuse another band count, dtype or size, and numbers that are no measurements; nothing is allocated."""
    page = pages[0]
    if page.axes not in ("YXS", "SYX", "YX"):
        raise UserError(f"wrong layout, got axes {page.axes or 'none'}, expected an image of bands")
    palette = page.photometric == _PALETTE and len(pages) == 1
    count, height, width = 3 if palette else len(pages) * page.samplesperpixel, page.imagelength, page.imagewidth
    if turned:
        height, width = width, height
    if shape is not None and count != shape[0]:
        raise UserError(f"wrong band count, got {count}, expected {shape[0]}")
    wanted = DTYPES if dtype is None else (str(np.dtype(dtype)),)
    odd = page.dtype is None or page.dtype.itemsize * 8 != page.bitspersample
    if odd or str(page.dtype) not in wanted:
        got = f"samples of {page.bitspersample} bits" if odd else page.dtype
        raise UserError(f"wrong dtype, got {got}, expected {' or '.join(wanted)}")
    if shape is not None and (height, width) != tuple(shape[1:]):
        raise UserError(f"wrong size, got {width}x{height}, expected {shape[2]}x{shape[1]} (width x height)")
    if not 0 < count * height * width <= 3 * MAX_PIXELS:
        raise UserError(f"absurd dimensions, {count} bands of {width}x{height}")
    if page.photometric not in _GREY_OR_RGB and not palette and (page.photometric, page.compression) != (_YCBCR, _JPEG):
        raise UserError(f"wrong photometric interpretation, got {_name(page.photometric)}, expected grey or RGB")


def _check_segments(page: tifffile.TiffPage, data: bytes) -> None:
    """Refuse strips and tiles that are missing, cut off, or larger than they say."""
    offsets, sizes = page.dataoffsets, page.databytecounts
    expected = math.prod(page.chunked)
    if not len(offsets) == len(sizes) == expected or not all(sizes):
        raise UserError(f"damaged TIFF ({sum(map(bool, sizes))} of {expected} strips or tiles are there)")
    end = max(offset + size for offset, size in zip(offsets, sizes))
    if end > len(data):
        raise UserError(f"truncated TIFF, {len(data):,} of at least {end:,} bytes")
    if page.compression == 1 and sum(sizes) < page.nbytes:
        raise UserError(f"damaged TIFF ({sum(sizes):,} bytes of pixels instead of {page.nbytes:,})")
    values = math.prod(page.chunks)
    if values > 3 * MAX_PIXELS:
        raise UserError(f"absurd tiles of {values:,} values")
    if page.compression in _DEFLATE:
        limit = values * page.bitspersample // 8
        for offset, size in zip(offsets, sizes):
            if len(zlib.decompressobj().decompress(data[offset : offset + size], limit + 1)) > limit:
                raise UserError("damaged TIFF (a strip or tile unpacks to more than it may hold)")


def _pixels(page: tifffile.TiffPage, data: bytes) -> np.ndarray:
    """Return a checked page as ``[C, H, W]``."""
    assert page.dtype is not None
    if page.is_final:  # without compression and gaps; reading it straight from the bytes takes half the time
        stored = page.dtype.newbyteorder(page.parent.byteorder)
        pixels = np.frombuffer(data, stored, math.prod(page.shape), page.dataoffsets[0]).reshape(page.shape)
    elif find_spec("imagecodecs") or (page.compression in _BUILT_IN and page.predictor in (1, 2)):
        pixels = page.asarray(maxworkers=1)
    else:
        return _with_pillow(page, data)
    if page.photometric == _PALETTE:
        return _colours(pixels.reshape(pixels.shape[-2:]), page)
    if page.axes == "YXS":
        pixels = pixels.transpose(2, 0, 1)
    return np.array(pixels.reshape(page.samplesperpixel, *pixels.shape[-2:]), page.dtype, order="C")


def _colours(indices: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    """Return the colours that indices ``[H, W]`` into a palette stand for, uint8 ``[3, H, W]``."""
    table = np.array(page.tags.valueof(_COLORMAP), np.uint16).reshape(3, -1)
    if indices.dtype != np.uint8 or table.shape[1] != 256:
        raise UserError(f"wrong photometric interpretation, got a palette of {table.shape[1]} colours, expected 256")
    colours: np.ndarray = (table >> 8).astype(np.uint8)[:, indices]  # 16 bits, whose upper half GDAL takes too
    return colours


def _with_pillow(page: tifffile.TiffPage, data: bytes) -> np.ndarray:
    """Decode a compression that tifffile leaves to imagecodecs, in the few layouts that Pillow knows."""
    if page.index or (page.samplesperpixel, str(page.dtype)) not in ((1, "uint8"), (1, "uint16"), (3, "uint8")):
        how = f"{_name(page.compression)} compression" + (f" with predictor {page.predictor}" * (page.predictor != 1))
        raise UserError(f"{how} needs imagecodecs: pip install 'eurosat-cls[geo]'")
    with Image.open(io.BytesIO(data), formats=["TIFF"]) as image:
        pixels = np.asarray(image.convert("RGB") if page.samplesperpixel == 3 else image)
    if pixels.dtype != page.dtype:
        raise UserError(f"damaged TIFF (decoded to {pixels.dtype} instead of {page.dtype})")
    return np.ascontiguousarray(pixels.reshape(page.imagelength, page.imagewidth, -1).transpose(2, 0, 1))


def _order(page: tifffile.TiffPage, bands: Sequence[str] | None) -> list[int] | None:
    """Return the channels in the order of expected bands, by their descriptions; None for the order that they have.

    Raises:
        UserError: for bands that are described as Sentinel-2 bands other than the expected ones.
    """
    described = {} if bands is None else _described(page)
    expected = {place: found.name for place, band in enumerate(bands or ()) if (found := find_band(band))}
    channel_of = {name: channel for channel, name in described.items()}
    if len(channel_of) == len(described) and set(expected.values()) <= set(channel_of):
        named = {place: channel_of[name] for place, name in expected.items()}
        rest = iter(sorted(set(range(len(bands or ()))) - set(named.values())))
        order = [named[place] if place in named else next(rest) for place in range(len(bands or ()))]
        return None if order == list(range(len(order))) else order
    for channel, name in expected.items():
        if described.get(channel, name) != name:
            raise UserError(
                f"wrong band order, band {channel + 1} is described as {described[channel]}, expected {name}"
            )
    return None


def _described(page: tifffile.TiffPage) -> dict[int, str]:
    text = page.tags.valueof(_GDAL_METADATA)
    if not isinstance(text, str) or "description" not in text:
        return {}
    try:
        if "<!" in text:  # entities, which can grow
            raise ValueError
        items = ElementTree.fromstring(text).iter("Item")
        texts = {int(item.get("sample", -1)): item.text for item in items if item.get("role") == "description"}
    except (ElementTree.ParseError, ValueError):
        raise UserError("unreadable GDAL_METADATA tag") from None
    bands = {channel: band_in_text(text or "") for channel, text in texts.items()}
    return {channel: band for channel, band in bands.items() if band}


def _place(page: tifffile.TiffPage) -> BoundingBox | None:
    """Return where the image lies, or None when its file does not say, or says of a rotated grid."""
    keys, scale, tie, matrix = (
        page.tags.valueof(code) for code in (_GEO_KEYS, _PIXEL_SCALE, _TIEPOINT, _TRANSFORMATION)
    )
    if keys is None or len(keys) < 4:
        return None
    # entries of four shorts after the header: key, where its value is (0: in the entry itself), count, value
    direct = {keys[i]: keys[i + 3] for i in range(4, len(keys) - 3, 4) if keys[i + 1] == 0}
    code = {1: _PROJECTED_CS, 2: _GEOGRAPHIC_CS}.get(direct.get(_MODEL_TYPE, 0))
    epsg = direct.get(code, 0)
    if not 1024 <= epsg < 32767:  # below are codes of other things, from there user-defined systems
        return None
    if scale is not None and tie is not None and len(scale) >= 2 and len(tie) >= 6:
        dx, dy = scale[0], -scale[1]
        x, y = tie[3] - tie[0] * dx, tie[4] - tie[1] * dy
    elif matrix is not None and len(matrix) == 16 and matrix[1] == matrix[4] == 0:
        dx, dy, x, y = matrix[0], matrix[5], matrix[3], matrix[7]
    else:
        return None
    if direct.get(_RASTER_TYPE) == 2:  # PixelIsPoint: the origin is the first pixel's centre
        x, y = x - dx / 2, y - dy / 2
    xs, ys = sorted((x, x + page.imagewidth * dx)), sorted((y, y + page.imagelength * dy))
    if not all(map(math.isfinite, (*xs, *ys))) or xs[0] == xs[1] or ys[0] == ys[1]:
        return None
    return BoundingBox(int(epsg), float(xs[0]), float(ys[0]), float(xs[1]), float(ys[1]))


def _name(value: Any) -> str:
    return str(getattr(value, "name", value))
