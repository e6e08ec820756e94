"""Turn the bytes of an image file into an array, or say in a few words why not."""

import io
import struct

import numpy as np
from PIL import Image, UnidentifiedImageError

from eurosat_cls.errors import UserError

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
_MAX_PIXELS = 64_000_000  # where no size is asked for; below the point at which PIL itself warns


def decode_rgb(data: bytes, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode an RGB image; its size and mode are checked before a pixel is unpacked.

    Args:
        data: the whole file.
        size: ``(height, width)`` that the image must have; None takes any.

    Returns:
        uint8 array ``[3, H, W]``, contiguous, red first.

    Raises:
        UserError: for an empty file, no image, a truncated image, another size or another mode. The message does not
            know the file's name; whoever read it adds it.
    """
    if not data:
        raise UserError("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            if size is not None and (height, width) != tuple(size):
                raise UserError(f"wrong size, got {width}x{height}, expected {size[1]}x{size[0]} (width x height)")
            if width * height > _MAX_PIXELS:
                raise UserError(f"{width}x{height} pixels, more than the limit of {_MAX_PIXELS:,}")
            if image.mode != "RGB":
                raise UserError(f"wrong mode, got {image.mode}, expected RGB")
            pixels = np.asarray(image)  # [H, W, 3]
    except UnidentifiedImageError as error:
        raise UserError("not an image (JPEG, PNG, TIFF, WebP or BMP)") from error
    except UserError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(f"absurd dimensions ({error})") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error) as error:
        what = "truncated image" if "truncated" in str(error) else "damaged image"
        raise UserError(f"{what} ({error})") from error
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
