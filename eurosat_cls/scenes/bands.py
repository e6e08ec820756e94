"""Which band is which, by name: from descriptions, from file names, or as the person says."""

import re
from collections.abc import Sequence

from eurosat_cls.data.sentinel2 import find_band
from eurosat_cls.utils.errors import UserError

_BAND = re.compile(r"(?<![A-Za-z0-9])B(?:0?[1-9]|1[0-2]|8A)(?![A-Za-z0-9])", re.IGNORECASE)


def band_in_text(text: str) -> str | None:
    """Return the one Sentinel-2 band that a description or a file's name names, or None.

    Example:
        >>> band_in_text("B4, central wavelength 665 nm"), band_in_text("T33UXP_20180101T100405_B8A_20m")
        ('B04', 'B8A')
        >>> band_in_text("nir"), band_in_text("S2B_33UXP_20180101_0_L2A-swir16"), band_in_text("B02 - B03")
        ('B08', 'B11', None)
    """
    text = text.strip()
    if found := find_band(text):
        return found.name
    names = {found.name for token in _BAND.findall(text.replace("_", " ")) if (found := find_band(token))}
    if not names and (found := find_band(re.split(r"[\s._-]+(?=[A-Za-z]+\d*$)", text)[-1])):
        return found.name
    return names.pop() if len(names) == 1 else None


def canonical(name: str) -> str:
    """Return the usual spelling of a Sentinel-2 band's name, any other name as it is."""
    return found.name if (found := find_band(name)) else name.strip()


def name_bands(
    file: str, descriptions: Sequence[str | None], given: Sequence[str] | None, colours: Sequence[str] = ()
) -> list[str | None]:
    """Name the bands of a file.

    Args:
        file: its name, for messages.
        descriptions: ``[C]`` what the file says of each band.
        given: names in the file's order, as the person gave them; they go before what the file says.
        colours: ``[C]`` ``red``, ``green`` or ``blue`` where a band of an 8-bit image is one of these.

    Returns:
        ``[C]`` names, None for a band that nothing names.

    Raises:
        UserError: when no band has a name, a name stands for two bands, or ``given`` has another number of names.
    """
    if given is not None:
        if len(given) != len(descriptions):
            raise UserError(f"--bands names {len(given)} bands, {','.join(given)}, but {file} has {len(descriptions)}.")
        names: list[str | None] = [canonical(name) for name in given]
    else:
        names = [band_in_text(text) or text.strip() or None if text else None for text in descriptions]
        if not any(names) and len(descriptions) == 1:
            names = [band_in_text(file.rsplit(".", 1)[0])]
        if not any(names) and {"red", "green", "blue"} <= set(colours):
            names = [canonical(colour) if colour in ("red", "green", "blue") else None for colour in colours]
    known = [name for name in names if name]
    if not known:
        raise UserError(
            f"{file}: none of its {len(names)} bands has a name; say which they are, in the file's order: --bands "
            "B02,B03,..."
        )
    if twice := sorted({name for name in known if known.count(name) > 1}):
        raise UserError(f"{file}: {twice[0]} is the name of {known.count(twice[0])} bands; name them with --bands.")
    return names
