"""Patches from whatever a program has at hand: files by their paths, images of Pillow, arrays."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from eurosat_cls.data.files.channels import assumption, channels_for
from eurosat_cls.data.files.decode import decode_image, from_pillow
from eurosat_cls.utils.distributed import rank_zero_print
from eurosat_cls.utils.errors import UserError


def as_patches(images: Tensor | np.ndarray | Sequence[Any], bands: Sequence[str]) -> Tensor:
    """Return patches of a model's bands in its order, raw ``[N, C, H, W]``.

    Args:
        images: these; or one of them, ``[C, H, W]``; or a list of paths, of images of Pillow, or of arrays.
        bands: the ``C`` bands.

    Raises:
        UserError: for another number of bands, files that cannot be read, and patches that differ in size or dtype.
    """
    if isinstance(images, (str, os.PathLike, Image.Image)):
        images = [images]
    if isinstance(images, np.ndarray) and images.dtype.kind in "OUS":
        images = images.ravel().tolist()
    if not isinstance(images, (np.ndarray, Tensor)):
        images = _stacked([_pixels(item, bands) for item in images])
    raw = torch.as_tensor(images)
    raw = raw[None] if raw.ndim == 3 else raw
    if raw.ndim != 4 or raw.shape[1] != len(bands) or not len(raw):
        raise UserError(
            f"predict: the images have the shape {list(raw.shape)}; the model takes [N, {len(bands)}, H, W] with the "
            f"bands {', '.join(bands)}."
        )
    return raw


def _pixels(item: Any, bands: Sequence[str]) -> np.ndarray:
    """Return one patch ``[C, H, W]``."""
    if isinstance(item, (np.ndarray, Tensor)):
        return np.asarray(item)
    try:
        data = b"" if isinstance(item, Image.Image) else Path(item).read_bytes()
        if isinstance(item, Image.Image):
            data = _file_of(item)
            pixels = from_pillow(item, data=data)
        else:
            pixels = decode_image(data).pixels
        names, assumed = channels_for(bands, data, len(pixels))
    except (UserError, OSError, TypeError) as error:
        raise UserError(f"predict: {item}: {getattr(error, 'strerror', None) or error}") from error
    if assumed and len(bands) > 1:
        rank_zero_print(f"predict: {assumption(names)}")
    return pixels[[names.index(band) for band in bands]]


def _file_of(image: Image.Image) -> bytes:
    """Return the file that an image was opened from, where it is there: Pillow hands out 8 of 16 bits of colours."""
    name = getattr(image, "filename", "")
    return Path(name).read_bytes() if image.format == "PNG" and name and Path(name).is_file() else b""


def _stacked(patches: Sequence[np.ndarray]) -> np.ndarray:
    if not patches:
        raise UserError("predict: there are no images.")
    for number, patch in enumerate(patches):
        if (patch.shape, patch.dtype) != (patches[0].shape, patches[0].dtype):
            raise UserError(
                f"predict: image {number + 1} is {patch.dtype} {list(patch.shape)}, the first one {patches[0].dtype} "
                f"{list(patches[0].shape)}; patches of one call have one dtype and size."
            )
    return np.stack(patches)
