"""Which band is which, by name: from descriptions, from file names, or as the person says."""

from collections.abc import Sequence

from eurosat_cls.data.sentinel2 import band_in_text, find_band
from eurosat_cls.utils.errors import UserError


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
