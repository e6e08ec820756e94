"""Maps of a network's cells over the patches that they are of."""

from functools import lru_cache

import numpy as np
from PIL import Image

TILE = 192  # pixels of a patch's side, about
_OPACITY = (0.4, 0.65)  # of the colours where a map is 0 and where it is 1


def enlarge(images: np.ndarray, side: int = TILE) -> np.ndarray:
    """Repeat pixels of ``[n, H, W, 3]`` a whole number of times, so that small patches come near this side."""
    times = max(1, round(side / max(images.shape[1:3])))
    return images.repeat(times, 1).repeat(times, 2)


def overlay(image: np.ndarray, cells: np.ndarray, smooth: bool = True) -> np.ndarray:
    """Lay a map, float ``[h, w]`` in [0, 1], over a patch, uint8 ``[H, W, 3]``.

    Without ``smooth`` each cell is seen as it is. The colours are matplotlib's ``inferno``, perceptually uniform and
    told apart by colour-blind people too.
    """
    height, width = image.shape[:2]
    method = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    resized = Image.fromarray(cells.astype(np.float32)).resize((width, height), method)
    values = np.asarray(resized).clip(0, 1)[..., None]
    opacity = _OPACITY[0] + (_OPACITY[1] - _OPACITY[0]) * values
    mixed = (1 - opacity) * image + opacity * _colours()[(values[..., 0] * 255 + 0.5).astype(np.uint8)]
    return np.asarray(mixed + 0.5, np.uint8)


def scaled(cells: np.ndarray, low: float = 0.0) -> np.ndarray:
    """Return a map between ``low`` and its highest value as [0, 1]; zeros where there is nothing above ``low``."""
    span = float(cells.max()) - low
    return (cells - low).clip(0) / span if span > 0 else np.zeros_like(cells)


@lru_cache
def _colours() -> np.ndarray:
    from matplotlib import colormaps

    return np.asarray(colormaps["inferno"](np.arange(256))[:, :3] * 255)
