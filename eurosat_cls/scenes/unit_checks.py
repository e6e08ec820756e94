"""Whether a scene's values bear out what was said of them."""

from collections.abc import Mapping

import numpy as np

from eurosat_cls.data.sentinel2 import BANDS
from eurosat_cls.data.unit import OFFSET
from eurosat_cls.scenes.scene import DIGITAL_NUMBERS, Scene
from eurosat_cls.utils.errors import UserError

# B10 sees little below the highest clouds: its median is 5 to 50 in EuroSAT, 12 typically.
_CIRRUS = "B10"
_VISIBLE = ("B01", "B02", "B03", "B04")
_SEVERAL = 3


def check_offset(scene: Scene, samples: Mapping[str, np.ndarray]) -> list[str]:
    """Hold what is said of a scene's offset against its values.

    Args:
        scene: the scene.
        samples: valid values of some bands, after the offset was taken out.

    Returns:
        A warning, where the values raise a doubt.

    Raises:
        UserError: when the values contradict it.
    """
    if scene.dtype not in DIGITAL_NUMBERS:
        return []
    filled = {band: values for band, values in samples.items() if values.size and band in BANDS}
    where = scene.offset_source or "no metadata, so none"
    if _CIRRUS in filled:
        low, median = np.percentile(filled[_CIRRUS], [2, 50])
        if not scene.offsets.get(_CIRRUS) and low >= 0.9 * -OFFSET and median < 1.5 * -OFFSET:
            raise UserError(
                f"{scene.path}: the median of B10 is {median:,.0f} where about 12 is normal, so its values have an "
                f"offset, which was said to be 0 ({where}): pass --offset {OFFSET}"
            )
    if gone := _without_reflectance(scene, filled):
        raise UserError(
            f"{scene.path}: with the offset {scene.offsets[gone]} ({where}) most pixels of {gone} have no reflectance "
            "left, so that it has been taken out before; pass --offset 0"
        )
    above = [band for band, values in filled.items() if not scene.offsets.get(band) and values.min() > -OFFSET]
    if len(above) >= _SEVERAL and len(above) == len(filled):
        return [
            f"every pixel of {', '.join(above[:4])} is above {-OFFSET:,}, as in products since baseline 04.00; no "
            f"offset is taken out ({where}): if that is wrong, pass --offset {OFFSET}."
        ]
    return []


def _without_reflectance(scene: Scene, samples: Mapping[str, np.ndarray]) -> str | None:
    """Return a band that taking the offset out left at the least value nearly everywhere, or None.

    Water may be black in the infrared, but not in visible light; and B10 is dark, but not 0 everywhere.
    """
    dark = {band: float(np.mean(values <= 1)) for band, values in samples.items() if scene.offsets.get(band)}
    if dark.get(_CIRRUS, 0) > 0.98:
        return _CIRRUS
    visible = [dark[band] > 0.5 for band in _VISIBLE if band in dark]
    return next(band for band in _VISIBLE if dark.get(band, 0) > 0.5) if sum(visible) * 2 > len(visible) else None
