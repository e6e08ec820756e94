"""Raw pixels read and written by whole patches, in any dtype and on any device."""

from collections.abc import Sequence

import torch
from torch import Tensor


def as_bits(pixels: Tensor) -> Tensor:
    """Return the same memory in a dtype in which torch can move it: many of its kernels lack uint16."""
    return pixels.view(torch.int16) if pixels.dtype == torch.uint16 else pixels


def copy_of(pixels: Tensor) -> Tensor:
    """Return a contiguous copy."""
    return as_bits(pixels).clone(memory_format=torch.contiguous_format).view(pixels.dtype)


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the floating dtype in which raw values are computed with; it holds each of them exactly."""
    if not dtype.is_floating_point and dtype.itemsize > 2:
        return torch.float64
    return torch.promote_types(dtype, torch.float32)


def take(pixels: Tensor, rows: Tensor) -> Tensor:
    """Return ``pixels[rows]`` as a fresh floating tensor."""
    return as_bits(pixels).index_select(0, rows).view(pixels.dtype).to(working_dtype(pixels.dtype))


def put(pixels: Tensor, rows: Tensor, values: Tensor) -> None:
    """Write fresh floating values over ``pixels[rows]``."""
    put_raw(pixels, rows, to_raw(values, pixels.dtype))


def put_raw(pixels: Tensor, rows: Tensor, raw: Tensor) -> None:
    """Write values of the same dtype over ``pixels[rows]``."""
    _as_words(pixels).index_copy_(0, rows, _as_words(raw))


def to_raw(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Return floating values, which may be overwritten, in a sensor's dtype: rounded and clamped to its range."""
    if dtype.is_floating_point:
        return values.to(dtype)
    limits = torch.iinfo(dtype)
    values.round_().clamp_(limits.min, limits.max)
    # torch converts float to uint8 one by one, but by whole vectors in these two steps
    return values.to(torch.int16).to(dtype) if dtype == torch.uint8 else values.to(dtype)


def boxes(first: Tensor, after: Tensor, size: Sequence[int]) -> Tensor:
    """Return where the ``k`` boxes of each patch are, bool ``[n, 1, height, width]``.

    ``first`` has the first row and the first column of each, ``[2, n, k]``, and ``after`` those after the last one.
    """
    down, across = (
        (line >= start[..., None]) & (line < stop[..., None])
        for line, start, stop in zip((torch.arange(n, device=first.device) for n in size), first, after)
    )  # [n, k, height] and [n, k, width]
    inside: Tensor = down[..., :, None] & across[..., None, :]
    return inside.any(1, keepdim=True)


def _as_words(pixels: Tensor) -> Tensor:
    """Return rows of contiguous pixels as few long words: copying costs by the word, not by the byte."""
    flat = as_bits(pixels.flatten(1))
    return flat.view(torch.int64) if flat.shape[1] * flat.itemsize % 8 == 0 else flat
