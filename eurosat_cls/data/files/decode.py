"""Turn the bytes of an image file into an array, or say in a few words why not."""

import io
import struct
from collections.abc import Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError

from eurosat_cls.data.files.tiff import MAX_PIXELS, decode_tiff, is_tiff
from eurosat_cls.data.patch import Patch
from eurosat_cls.utils.errors import UserError

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
_RGB, _GREY = ("RGB",), ("L", "I;16")  # modes of Pillow


def decode_image(
    data: bytes,
    shape: tuple[int, int, int] | None = None,
    dtype: str | None = None,
    bands: Sequence[str] | None = None,
) -> Patch:
    """Decode a patch: any number of bands from a TIFF, red, green and blue or one band from other formats.

    Everything is checked before pixels are unpacked, but for values that are no measurements.

    Args:
        data: the whole file.
        shape: ``(C, H, W)`` that the patch must have; None takes any.
        dtype: numpy name of the dtype that it must have; None takes uint8, uint16, int16 and float32.
        bands: names of the bands that are expected, in order. Where a TIFF describes its bands by names of
            Sentinel-2 it must have these.

    Returns:
        Contiguous pixels ``[C, H, W]`` of the file's dtype in the machine's byte order, and the place of a GeoTIFF.

    Raises:
        UserError: for an empty file, no image, a damaged one, another shape or dtype, missing values, other bands, or
            a compression whose decoder is not installed. The message does not know the file's name; whoever read it
            adds it.
    """
    if is_tiff(data):
        return decode_tiff(data, shape, dtype, bands)
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
            width, height = image.size
            if size is not None and (height, width) != tuple(size):
                raise UserError(f"wrong size, got {width}x{height}, expected {size[1]}x{size[0]} (width x height)")
            if width * height > MAX_PIXELS:
                raise UserError(f"{width}x{height} pixels, more than the limit of {MAX_PIXELS:,}")
            if image.mode not in modes:
                raise UserError(f"wrong mode, got {image.mode}, expected {' or '.join(modes)}")
            pixels = np.asarray(image)  # [H, W, 3] or [H, W]
    except UnidentifiedImageError as error:
        raise UserError("not an image (JPEG, PNG, TIFF, WebP or BMP)") from error
    except UserError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(f"absurd dimensions ({error})") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error) as error:
        what = "truncated image" if "truncated" in str(error) else "damaged image"
        raise UserError(f"{what} ({error})") from error
    return np.ascontiguousarray(pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None])
