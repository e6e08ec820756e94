"""Show patches of any bands in colours that compare."""

from collections.abc import Sequence

import numpy as np

_GAMMA = 0.6  # lifts dark water and forest into what a screen can show, without another stretch for each patch
_TRUE_COLOUR = (("B04", "B03", "B02"), ("red", "green", "blue"))


def displayed(bands: Sequence[str]) -> list[int]:
    """Return the channels to show as red, green and blue, or the only one to show as grey.

    They are Sentinel-2's visible bands where all three are there, else the first three, else the first.

    Example:
        >>> displayed(["B02", "B03", "B04", "B08"])
        [2, 1, 0]
        >>> displayed(["VV", "VH"])
        [0]
    """
    for names in _TRUE_COLOUR:
        if set(names) <= set(bands):
            return [list(bands).index(name) for name in names]
    return [0, 1, 2] if len(bands) >= 3 else [0]


def colour_name(bands: Sequence[str]) -> str:
    """Name what :func:`displayed` shows, e.g. ``"true colour (B04, B03, B02)"``."""
    shown = [bands[channel] for channel in displayed(bands)]
    if len(shown) == 1:
        return f"{shown[0]} in grey"
    kind = "true" if tuple(shown) in _TRUE_COLOUR else "false"
    return f"{kind} colour ({', '.join(shown)})"


def stretch_limits(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 2nd and 98th percentile of each channel of ``[n, C, H, W]``, float64 ``[C]`` each."""
    low, high = np.percentile(images.swapaxes(0, 1).reshape(images.shape[1], -1), (2, 98), axis=1)
    return low, np.where(high > low, high, low + 1)


def to_rgb(images: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Stretch ``[n, C, H, W]`` (C is 1 or 3) between the limits ``[C]``, dark parts most; uint8 ``[n, H, W, 3]``."""
    assert images.shape[1] in (1, 3)
    scaled = (images.astype(np.float32) - low[:, None, None]) / (high - low)[:, None, None]
    pixels = (np.nan_to_num(scaled).clip(0, 1) ** _GAMMA * 255 + 0.5).astype(np.uint8).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:3], 3)))
