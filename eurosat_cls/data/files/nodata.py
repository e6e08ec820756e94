"""Values that stand for missing ones: found, and refused or filled."""

import numpy as np

from eurosat_cls.data.patch import NoData
from eurosat_cls.utils.errors import UserError

# What programs write where nothing was measured; files do not always say so.
_SUSPECTS = (-9999.0, -32768.0, -99999.0, float(np.finfo(np.float32).min))
_WAY_OUT = "; nodata: fill gives them the mean of their band"


def handle_nodata(pixels: np.ndarray, tag: object, nodata: NoData) -> None:
    """Refuse values that stand for missing ones, or fill them in place with the mean of their band.

    Args:
        pixels: ``[C, H, W]`` of a patch.
        tag: of GDAL, which names the value; None for a file that does not.
        nodata: what to do.

    Raises:
        UserError: for missing values that are not to be filled, a band of nothing else, infinite values, and a tag that
            is no number.
    """
    missing, reason = np.zeros(pixels.shape, bool), ""
    if pixels.dtype.kind == "f" and (count := pixels.size - np.count_nonzero(np.isfinite(pixels))):
        missing, reason = np.isnan(pixels), f"{count:,} values are NaN or infinite"
        if np.isinf(pixels).any():
            raise UserError(reason)
    value = _suspected(pixels) if tag is None else _number(tag)
    if value is not None:
        with np.errstate(over="ignore"):
            alike = pixels == value  # a float32 array compares in its own precision
        if count := np.count_nonzero(alike):
            missing |= alike
            looks = ", which looks like nodata that no tag names" if tag is None else ""
            reason = f"{count:,} values are {value:g}{looks}" if looks else f"{count:,} values are nodata ({value:g})"
    if not reason:
        return
    if nodata == "error":
        raise UserError(f"{reason}{_WAY_OUT}")
    for band, (values, gone) in enumerate(zip(pixels, missing), 1):
        if gone.all():
            raise UserError(f"band {band} holds nodata only")
        if gone.any():
            mean = values[~gone].mean(dtype=np.float64)
            values[gone] = mean if values.dtype.kind == "f" else round(mean)


def _number(tag: object) -> float:
    try:
        return float(str(tag).replace(",", "."))
    except ValueError:
        raise UserError(f"unreadable GDAL_NODATA tag {str(tag)[:20]!r}") from None


def _suspected(pixels: np.ndarray) -> float | None:
    """Return the smallest value where it is one that stands for nothing elsewhere, far below all others."""
    if pixels.dtype.kind == "u" or float(low := np.fmin.reduce(pixels, axis=None)) not in _SUSPECTS:
        return None
    others = pixels[pixels > low]
    return float(low) if not others.size or others.min() > low / 2 else None
