"""Sentinel-2 bands: their names and aliases, wavelengths and resolutions, and the orders they are stored in."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import did_you_mean, nearest


class Band(NamedTuple):
    """A band of the MultiSpectral Instrument.

    Attributes:
        name: such as ``"B04"``.
        wavelength: centre wavelength on Sentinel-2A in nm; 2B and 2C differ by a few nm at most, in B12 by 17.
        bandwidth: full width in nm, on Sentinel-2A.
        resolution: size of a pixel on the ground in m, before any resampling.
        aliases: other names for it; the later ones are those of the STAC catalogues.
    """

    name: str
    wavelength: float
    bandwidth: float
    resolution: int
    aliases: tuple[str, ...]


# In the order of a EuroSAT GeoTIFF, where B8A is last (phelber/EuroSAT issue 7). Wavelengths and widths: ESA,
# Sentinel-2 MSI technical guide, table of spectral bands.
TABLE = (
    Band("B01", 442.7, 21, 60, ("coastal", "coastal_aerosol", "aerosol")),
    Band("B02", 492.4, 66, 10, ("blue",)),
    Band("B03", 559.8, 36, 10, ("green",)),
    Band("B04", 664.6, 31, 10, ("red",)),
    Band("B05", 704.1, 15, 20, ("red_edge1", "rededge071")),
    Band("B06", 740.5, 15, 20, ("red_edge2", "rededge075")),
    Band("B07", 782.8, 20, 20, ("red_edge3", "rededge078")),
    Band("B08", 832.8, 106, 10, ("nir",)),
    Band("B09", 945.1, 20, 60, ("water_vapour", "water_vapor", "nir09")),
    Band("B10", 1373.5, 31, 60, ("cirrus",)),
    Band("B11", 1613.7, 91, 20, ("swir1", "swir16")),
    Band("B12", 2202.4, 175, 20, ("swir2", "swir22")),
    Band("B8A", 864.7, 21, 20, ("nir_narrow", "narrow_nir", "red_edge4", "nir08")),
)
BANDS = tuple(band.name for band in TABLE)
RGB = ("B04", "B03", "B02")
# The order of ESA's own products and of most files made from them: by wavelength.
PRODUCT_ORDER = tuple(band.name for band in sorted(TABLE, key=lambda band: band.wavelength))


def _simple(name: str) -> str:
    """Drop what spellings of a name differ in: case, separators and leading zeros."""
    return re.sub(r"^b0+(?=\d)", "b", re.sub(r"[\s_-]", "", name).lower())


_IN_TEXT = re.compile(r"(?<![A-Za-z0-9])B(?:0?[1-9]|1[0-2]|8A)(?![A-Za-z0-9])", re.IGNORECASE)
_BY_NAME = {_simple(name): band for band in TABLE for name in (band.name, *band.aliases)}


def find_band(name: str) -> Band | None:
    """Return the band of a name or alias, however it is spelt, or None.

    Example:
        >>> [find_band(name).name for name in ("b4", "B8a", "Red-Edge1", "swir1")]
        ['B04', 'B8A', 'B05', 'B11']
    """
    return _BY_NAME.get(_simple(name))


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
    names = {found.name for token in _IN_TEXT.findall(text.replace("_", " ")) if (found := find_band(token))}
    if not names and (found := find_band(re.split(r"[\s._-]+(?=[A-Za-z]+\d*$)", text)[-1])):
        return found.name
    return names.pop() if len(names) == 1 else None


def wavelengths(bands: str | Sequence[str]) -> list[float]:
    """Return the centre wavelength in nm of each band that :func:`band_names` gives for ``bands``.

    Example:
        >>> wavelengths("rgb")
        [664.6, 559.8, 492.4]
    """
    return [TABLE[BANDS.index(name)].wavelength for name in band_names(bands)]


def band_names(bands: str | Sequence[str]) -> list[str]:
    """Return the names of the bands asked for, in the order asked for.

    Args:
        bands: ``"rgb"``, ``"all"``, a band, or a list of bands; each by its name or an alias.

    Raises:
        UserError: for an unknown name, a repeated band, or none.

    Example:
        >>> band_names("rgb"), band_names(["nir", "b4", "B8A"])
        (['B04', 'B03', 'B02'], ['B08', 'B04', 'B8A'])
    """
    if isinstance(bands, str):
        sets = {"rgb": RGB, "all": BANDS}
        if bands.lower() in sets:
            return list(sets[bands.lower()])
        bands = [bands]
    names = [_name(band) for band in bands]
    if not names:
        raise UserError("data.bands must name at least one band; 'all' stands for all 13.")
    for position, name in enumerate(names):
        if name in names[:position]:
            first, again = bands[names.index(name)], bands[position]
            also = f"{first!r} and {again!r} are both {name}" if first != again else f"{name} is repeated"
            raise UserError(f"data.bands must name a band once and none twice: {also}.")
    return names


def _name(band: str) -> str:
    if (found := find_band(band)) is not None:
        return found.name
    known = {name for entry in TABLE for name in (entry.name, *entry.aliases)} | {"rgb"}
    meant = did_you_mean(nearest(band, known - {band}))
    raise UserError(
        f"data.bands: unknown band {band!r}.{meant} Sentinel-2 has {', '.join(BANDS)}; instead of a list, 'rgb' or "
        "'all' will do."
    )


# Formulas without a unit, so that digital numbers and reflectances give the same. Each with its source.
INDICES = {
    # Rouse et al. 1974, Monitoring vegetation systems in the Great Plains with ERTS: green plants
    "NDVI": "(nir - red) / (nir + red)",
    # Gitelson, Kaufman and Merzlyak 1996, Remote Sensing of Environment 58: chlorophyll
    "GNDVI": "(nir - green) / (nir + green)",
    # Gitelson and Merzlyak 1994, Journal of Plant Physiology 143: chlorophyll where NDVI saturates
    "NDRE": "(nir - red_edge1) / (nir + red_edge1)",
    # Gitelson et al. 2003, Journal of Plant Physiology 160: chlorophyll
    "CIRE": "nir / red_edge1 - 1",
    # Merzlyak et al. 1999, Physiologia Plantarum 106: ageing leaves
    "PSRI": "(red - blue) / red_edge2",
    # Tucker 1979, Remote Sensing of Environment 8: plants, from visible bands alone
    "NGRDI": "(green - red) / (green + red)",
    # Louhaichi et al. 2001, Geocarto International 16: green leaves, from visible bands alone
    "GLI": "(2 * green - red - blue) / (2 * green + red + blue)",
    # McFeeters 1996, International Journal of Remote Sensing 17: open water
    "NDWI": "(green - nir) / (green + nir)",
    # Xu 2006, International Journal of Remote Sensing 27: open water beside buildings
    "MNDWI": "(green - swir1) / (green + swir1)",
    # Wilson and Sader 2002, Remote Sensing of Environment 80: water in leaves
    "NDMI": "(nir - swir1) / (nir + swir1)",
    # Mishra and Mishra 2012, Remote Sensing of Environment 117: chlorophyll in turbid water
    "NDCI": "(red_edge1 - red) / (red_edge1 + red)",
    # Zha, Gao and Ni 2003, International Journal of Remote Sensing 24: buildings
    "NDBI": "(swir1 - nir) / (swir1 + nir)",
    # Rikimaru, Roy and Miyatake 2002, Tropical Ecology 43: bare soil
    "BSI": "(swir1 + red - nir - blue) / (swir1 + red + nir + blue)",
    # van Deventer et al. 1997, Photogrammetric Engineering and Remote Sensing 63: crop residue and tillage
    "NDTI": "(swir1 - swir2) / (swir1 + swir2)",
    # Key and Benson 2006, FIREMON, USDA RMRS-GTR-164: burnt areas
    "NBR": "(nir - swir2) / (nir + swir2)",
    # Hall, Riggs and Salomonson 1995, Remote Sensing of Environment 54: snow
    "NDSI": "(green - swir1) / (green + swir1)",
}
