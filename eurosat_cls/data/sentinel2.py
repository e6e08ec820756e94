"""Sentinel-2 bands: their names, and the sets of them that have a name."""

from collections.abc import Sequence

from eurosat_cls.errors import UserError

# In the order of a EuroSAT GeoTIFF: B8A is last (phelber/EuroSAT issue 7).
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A")
RGB = ("B04", "B03", "B02")


def band_names(bands: str | Sequence[str]) -> list[str]:
    """Return band names for ``"rgb"``, ``"all"`` or a list of names, in the order asked for.

    Raises:
        UserError: for an unknown name, a repeated one, or none.

    Example:
        >>> band_names("rgb")
        ['B04', 'B03', 'B02']
    """
    if isinstance(bands, str):
        named = {"rgb": RGB, "all": BANDS}
        if bands not in named:
            raise UserError(f"data.bands: {bands!r} is neither 'rgb' nor 'all' nor a list of band names.")
        return list(named[bands])
    unknown = [band for band in bands if band not in BANDS]
    if unknown:
        raise UserError(f"data.bands: unknown band {unknown[0]!r}; Sentinel-2 has {', '.join(BANDS)}.")
    if not bands or len(set(bands)) < len(bands):
        raise UserError(f"data.bands: {list(bands)} must name at least one band, and none twice.")
    return list(bands)
