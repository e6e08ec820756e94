"""Scenes in a folder of single-band files."""

import re
from pathlib import Path

from eurosat_cls.data.sentinel2 import PRODUCT_ORDER, TABLE, band_in_text
from eurosat_cls.scenes.band_files import scene_of_bands
from eurosat_cls.scenes.scene import Scene
from eurosat_cls.utils.errors import UserError

_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", ".png", ".img")
_RESOLUTION = re.compile(r"(?<!\d)(10|20|60)m(?![A-Za-z0-9])")
_NATIVE = {band.name: band.resolution for band in TABLE}


def scene_of_folder(path: Path, any_resolution: bool) -> Scene:
    """Open a folder of files whose names name their bands; for errors see :func:`eurosat_cls.scenes.open_scene`."""
    rasters = sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES and file.is_file())
    by_band: dict[str, list[Path]] = {}
    for file in rasters:
        if band := band_in_text(file.stem):
            by_band.setdefault(band, []).append(file)
    if not by_band:
        raise UserError(
            f"{path}: neither a Sentinel-2 product (no MTD_MSIL1C.xml or MTD_MSIL2A.xml in it) nor a folder of files "
            "that are named after bands, such as B02.tif."
        )
    chosen = {band: _one(path, band, by_band[band]) for band in PRODUCT_ORDER if band in by_band}
    return scene_of_bands(path, {band: str(file) for band, file in chosen.items()}, any_resolution)


def _one(path: Path, band: str, files: list[Path]) -> Path:
    """Return the file of a band, of several resolutions the one that the band is taken at, else the finest."""
    of_resolution: dict[int, list[Path]] = {}
    for file in files:
        found = _RESOLUTION.search(file.stem)
        of_resolution.setdefault(int(found[1]) if found else 0, []).append(file)
    best = _NATIVE[band] if _NATIVE[band] in of_resolution else min(of_resolution)
    if len(files) > len(of_resolution) or (len(of_resolution) > 1 and 0 in of_resolution):
        raise UserError(f"{path}: {files[0].name} and {files[1].name} are both {band}; keep one of them.")
    return of_resolution[best][0]
