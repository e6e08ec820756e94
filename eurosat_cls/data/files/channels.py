"""Which band each channel of a file is: by the file's own descriptions, by its colours, or by assumption."""

from collections.abc import Sequence
from typing import NamedTuple

from eurosat_cls.data.files.tiff import described_bands, has_colours, is_tiff
from eurosat_cls.data.sentinel2 import BANDS, RGB
from eurosat_cls.utils.errors import UserError


class Channels(NamedTuple):
    """The channels of a file.

    Attributes:
        names: ``[C]`` bands, some of which may be of no use.
        assumed: whether nothing in the file says so.
    """

    names: list[str]
    assumed: bool


def channels_for(bands: Sequence[str], data: bytes, count: int) -> Channels:
    """Name the channels of an image file for a model.

    Args:
        bands: of the model.
        data: the file, which can be decoded.
        count: its channels.

    Raises:
        UserError: when the model's bands are not among them.
    """
    described = described_bands(data) if is_tiff(data) else {}
    if set(bands) <= set(described.values()) and len(set(described.values())) == len(described):
        return Channels([described.get(channel, f"channel_{channel + 1}") for channel in range(count)], False)
    if count == len(RGB) and set(bands) <= set(RGB):
        return Channels(list(RGB), is_tiff(data) and not has_colours(data))
    if count == len(bands):
        return Channels(list(bands), True)
    if count == len(BANDS) and set(bands) <= set(BANDS):
        return Channels(list(BANDS), True)
    has = f", the file describes {', '.join(described.values())}" if described else ""
    raise UserError(f"wrong band count, got {count}, but the model takes {len(bands)} ({', '.join(bands)}){has}")


def assumption(bands: Sequence[str]) -> str:
    """Say which bands channels without names are taken for."""
    return f"the files do not name their bands, which are taken to be {', '.join(bands)} in this order"
