"""Find out what the files of a data set hold: which bands, how many pixels, which numbers."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from eurosat_cls.data.files.channels import assumption
from eurosat_cls.data.files.decode import decode_image
from eurosat_cls.data.files.tiff import described_bands, has_colours, is_tiff
from eurosat_cls.data.patch import NoData
from eurosat_cls.data.sentinel2 import RGB, find_band
from eurosat_cls.utils.distributed import rank_zero_print
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.text import class_label


class Layout(NamedTuple):
    """What all files of a data set have in common.

    Attributes:
        bands: ``[C]`` names.
        shape: ``(C, H, W)``.
        dtype: numpy name.
    """

    bands: list[str]
    shape: tuple[int, int, int]
    dtype: str


def layout_of(
    read: Callable[[str], bytes], files: Sequence[str], file_bands: Sequence[str] | None, nodata: NoData = "error"
) -> Layout:
    """Return the layout of the first of ``files`` that can be read.

    Bands that are not named by ``file_bands`` are named by the descriptions in a TIFF if all of them are names of
    Sentinel-2 bands, else B04, B03, B02 in an image of red, green and blue in 8 bits, else ``band_1`` to ``band_C``.

    Raises:
        UserError: when no file can be read, or the file has another number of bands than there are names, or describes
            them as others.
    """
    reason = ""
    for file in files:
        try:
            data = read(file)
            pixels = decode_image(data, nodata=nodata).pixels
            described = described_bands(data) if is_tiff(data) else {}
        except UserError as error:
            reason = reason or f"{file}: {str(error).removeprefix(file + ': ')}"
            continue
        channels, height, width = pixels.shape
        if file_bands is not None and len(file_bands) != channels:
            raise UserError(f"data.file_bands names {len(file_bands)} bands, but {file} has {channels}.")
        for channel, name in enumerate(file_bands or ()):
            if (meant := find_band(name)) and described.get(channel, meant.name) != meant.name:
                raise UserError(
                    f"{file}: wrong band order, band {channel + 1} is described as {described[channel]}, expected "
                    f"{meant.name} by data.file_bands"
                )
        names = [f"band_{channel}" for channel in range(1, channels + 1)]
        if file_bands is not None:
            names = list(file_bands)
        elif len(set(described.values())) == channels:
            names = [described[channel] for channel in range(channels)]
        elif channels == 3 and pixels.dtype == "uint8":
            names = list(RGB)
            if is_tiff(data) and not has_colours(data):
                rank_zero_print(f"{file}: {assumption(names)}")
        return Layout(names, (channels, height, width), str(pixels.dtype))
    raise UserError(f"none of the {len(files)} images can be read; {reason}")


def plain_names(setting: str, bands: str | Sequence[str] | None) -> list[str] | None:
    """Return the names in a setting, those of Sentinel-2 bands in their usual spelling, or None for all bands.

    Args:
        setting: its key, for messages.
        bands: ``"rgb"``; names, of Sentinel-2 bands or any others; None or ``"all"`` for all bands.

    Raises:
        UserError: for another word, no name, or a name given twice.

    Example:
        >>> plain_names("data.bands", ["B08", "elevation"])
        ['B08', 'elevation']
    """
    if bands is None or bands == "all":
        return None
    if isinstance(bands, str):
        if bands != "rgb":
            raise UserError(f"{setting}: {bands!r} is neither 'rgb' nor 'all' nor a list of band names.")
        return list(RGB)
    names = [found.name if (found := find_band(band)) else band for band in bands]
    if not names or len(set(names)) < len(names):
        raise UserError(f"{setting}: {list(bands)} must name at least one band, and none twice.")
    return names


def distinct_names(class_names: Sequence[str] | None) -> list[str] | None:
    """Return the names in ``data.class_names``.

    Raises:
        UserError: for a name given twice.
    """
    if class_names is None:
        return None
    names = [class_label(name) for name in class_names]
    if len(set(names)) < len(names):
        raise UserError(f"data.class_names: {names} names a class twice.")
    return names
