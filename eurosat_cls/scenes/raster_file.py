"""Scenes in one raster file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader

from eurosat_cls.scenes.bands import name_bands
from eurosat_cls.scenes.grid import grid_of
from eurosat_cls.scenes.raster import open_raster, reading
from eurosat_cls.scenes.scene import BandSource, Scene, scene_name
from eurosat_cls.utils.errors import UserError

DTYPES = ("uint8", "uint16", "int16", "float32")
_OWN_MASK = {MaskFlags.per_dataset, MaskFlags.alpha}
_REFLECTANCE = 1e-4  # the scale of digital numbers that are 10,000 times the reflectance


def scene_of_file(path: Path, given: Sequence[str] | None, any_resolution: bool) -> Scene:
    """Open a scene that is one file; for arguments and errors see :func:`eurosat_cls.scenes.open_scene`."""
    with open_raster(path) as dataset, reading(str(path)):
        grid, notes = grid_of(dataset, any_resolution)
        dtype = common_dtype(dataset)
        colours = [colour.name if dtype == np.uint8 else "" for colour in dataset.colorinterp]
        seen = [index for index, colour in enumerate(dataset.colorinterp) if colour != ColorInterp.alpha]
        names = name_bands(path.name, [dataset.descriptions[i] for i in seen], given, [colours[i] for i in seen])
        sources = {name: source_of(dataset, i + 1) for i, name in zip(seen, names) if name}
        offsets = {name: stored_offset(dataset, source.index) for name, source in sources.items()}
        level = dataset.tags().get("PROCESSING_LEVEL", "")
        baseline = dataset.tags().get("PROCESSING_BASELINE")
    return Scene(
        name=scene_name(path), path=path, grid=grid, sources=sources, dtype=dtype, notes=notes, baseline=baseline,
        level={"Level-1C": "L1C", "Level-2A": "L2A"}.get(level),
        offsets=offsets if any(offsets.values()) else {},
        offset_source="scale and offset in the file" if any(offsets.values()) else "",
    )  # fmt: skip


def common_dtype(dataset: DatasetReader) -> np.dtype[Any]:
    """Return the dtype of a raster's bands.

    Raises:
        UserError: for bands of several dtypes, and for one that no patches have.
    """
    kinds = set(dataset.dtypes)
    if len(kinds) > 1 or not kinds <= set(DTYPES):
        raise UserError(
            f"{dataset.name}: its bands are {', '.join(sorted(kinds))}; all must be one of {', '.join(DTYPES)}: "
            "gdal_translate -ot UInt16 converts."
        )
    dtype: np.dtype[Any] = np.dtype(kinds.pop())
    return dtype


def source_of(dataset: DatasetReader, index: int, factor: int = 1) -> BandSource:
    """Return where a band of an open raster is, counted from 1, with what stands for missing pixels in it."""
    masked = bool(_OWN_MASK & set(dataset.mask_flag_enums[index - 1]))
    return BandSource(dataset.name, index, factor, None if masked else dataset.nodatavals[index - 1], masked)


def stored_offset(dataset: DatasetReader, index: int) -> int:
    """Return the offset in digital numbers that a raster states for a band of scaled reflectance, else 0."""
    scale, offset = dataset.scales[index - 1], dataset.offsets[index - 1]
    is_reflectance = abs(scale / _REFLECTANCE - 1) < 1e-6
    return round(offset / scale) if is_reflectance and dataset.dtypes[index - 1] == "uint16" else 0
