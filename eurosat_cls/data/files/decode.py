"""Turn the bytes of an image file into an array, or say in a few words why not."""

import io
import struct
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

from eurosat_cls.data.files.tiff import MAX_PIXELS, decode_tiff, is_tiff
from eurosat_cls.data.patch import NoData, Patch, is_turned, upright
from eurosat_cls.utils.errors import UserError

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
_RGB, _GREY = ("RGB",), ("L", "I;16")  # modes of Pillow
_PNG = b"\x89PNG\r\n\x1a\n"


def decode_image(
    data: bytes,
    shape: tuple[int, int, int] | None = None,
    dtype: str | None = None,
    bands: Sequence[str] | None = None,
    nodata: NoData = "error",
) -> Patch:
    """Decode a patch: any number of bands from a TIFF, red, green and blue or one band from other formats.

    Everything is checked before pixels are unpacked, but for values that are no measurements. Palettes become the
    colours that they stand for; images that are stored turned, by their tag Orientation, are turned upright.

    Args:
        data: the whole file.
        shape: ``(C, H, W)`` that the patch must have; None takes any.
        dtype: numpy name of the dtype that it must have; None takes uint8, uint16, int16 and float32.
        bands: names of the bands that are expected, in order. Where a TIFF describes its bands by names of
            Sentinel-2 it must have these, in any order.
        nodata: whether values that stand for missing ones are an error, or become the mean of their band in the patch.

    Returns:
        Contiguous pixels ``[C, H, W]`` of the file's dtype in the machine's byte order, and the place of a GeoTIFF.

    Raises:
        UserError: for an empty file, no image, a damaged one, another shape or dtype, missing values, other bands, or
            a compression whose decoder is not installed. The message does not know the file's name; whoever read it
            adds it.
    """
    if is_tiff(data):
        return decode_tiff(data, shape, dtype, bands, nodata)
    modes = (*_RGB, *_GREY) if shape is None else _GREY if shape[0] == 1 else _RGB
    pixels = _decode(data, None if shape is None else shape[1:], modes)
    if shape is not None and len(pixels) != shape[0]:
        raise UserError(f"wrong band count, got {len(pixels)}, expected {shape[0]}")
    if dtype is not None and pixels.dtype != np.dtype(dtype):
        raise UserError(f"wrong dtype, got {pixels.dtype}, expected {dtype}")
    return Patch(pixels)


def decode_rgb(data: bytes, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode an RGB image to uint8 ``[3, H, W]``; its size and mode are checked before a pixel is unpacked.

    ``size`` is the ``(height, width)`` that the image must have. Errors are those of :func:`decode_image`.
    """
    return _decode(data, size, _RGB)


def _decode(data: bytes, size: tuple[int, int] | None, modes: Sequence[str]) -> np.ndarray:
    """Decode with Pillow to ``[C, H, W]``."""
    if not data:
        raise UserError("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            pixels = from_pillow(image, size, modes, data)
    except UnidentifiedImageError as error:
        raise UserError("not an image (JPEG, PNG, TIFF, WebP or BMP)") from error
    except UserError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(f"absurd dimensions ({error})") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error) as error:
        what = "truncated image" if "truncated" in str(error) else "damaged image"
        raise UserError(f"{what} ({error})") from error
    return pixels


def from_pillow(
    image: Image.Image, size: tuple[int, int] | None = None, modes: Sequence[str] = (*_RGB, *_GREY), data: bytes = b""
) -> np.ndarray:
    """Return an image of Pillow as contiguous ``[C, H, W]``, uint8 or uint16.

    Args:
        image: not loaded yet, or already.
        size: height and width that it must have.
        modes: that it may have.
        data: its file, of which Pillow would drop the lower half of colours of 16 bits.

    Raises:
        UserError: for another size or mode.
    """
    orientation = _orientation(image)
    width, height = reversed(image.size) if is_turned(orientation) else image.size
    if size is not None and (height, width) != tuple(size):
        raise UserError(f"wrong size, got {width}x{height}, expected {size[1]}x{size[0]} (width x height)")
    if width * height > MAX_PIXELS:
        raise UserError(f"{width}x{height} pixels, more than the limit of {MAX_PIXELS:,}")
    mode = "RGB" if image.mode == "P" and "transparency" not in image.info and "RGB" in modes else image.mode
    if mode not in modes:
        raise UserError(f"wrong mode, got {image.mode}, expected {' or '.join(modes)}")
    deep = mode == "RGB" and ((data.startswith(_PNG) and data[24] == 16) or _is_deep(image))
    if deep and not data:
        raise UserError("colours of 16 bits, of which Pillow keeps 8: give the path of the file instead")
    pixels = _deep_png(data) if deep else np.asarray(image if image.mode == mode else image.convert(mode))
    pixels = pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]
    return np.ascontiguousarray(upright(pixels, orientation))


def _deep_png(data: bytes) -> np.ndarray:
    """Decode a PNG of red, green and blue in 16 bits each to uint16 ``[H, W, 3]``.

    Pillow hands out the upper half of what it takes for the byte order: once in the right one, once in the other.
    """
    halves = []
    for order in ("RGB;16B", "RGB;16L"):
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.tile = [tile._replace(args=order) for tile in image.tile]  # type: ignore[attr-defined]
            halves.append(np.asarray(image).astype(np.uint16))
    return halves[0] << 8 | halves[1]


def _is_deep(image: Image.Image) -> bool:
    return any(tile[3] == "RGB;16B" for tile in getattr(image, "tile", ()))


def _orientation(image: Image.Image) -> int:
    with suppress(Exception):  # a broken tag is as none: it is not what pixels are
        return int(image.getexif().get(Base.Orientation, 1))
    return 1
