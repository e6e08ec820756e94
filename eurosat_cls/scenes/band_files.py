"""Scenes whose bands are files of their own, on grids that fit into each other."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from eurosat_cls.scenes.grid import factor_of, grid_of
from eurosat_cls.scenes.raster import Handles
from eurosat_cls.scenes.raster_file import common_dtype, source_of, stored_offset
from eurosat_cls.scenes.scene import BandSource, Scene, scene_name
from eurosat_cls.utils.errors import UserError


def scene_of_bands(path: Path, files: Mapping[str, str], any_resolution: bool, nodata: float | None = None) -> Scene:
    """Open a scene that has a file for each band, all as fine as the finest.

    Args:
        path: the folder or archive.
        files: by band name, its raster, whose first band it is.
        any_resolution: see :func:`eurosat_cls.scenes.open_scene`.
        nodata: what stands for a missing pixel, where the files do not say.

    Raises:
        UserError: for files that differ in dtype, CRS or place.
    """
    handles = Handles()
    opened = {band: handles.get(file) for band, file in files.items()}
    finest = max(opened.values(), key=lambda dataset: (dataset.height, dataset.width))
    grid, notes = grid_of(finest, any_resolution)
    dtypes = {band: common_dtype(dataset) for band, dataset in opened.items()}
    if other := next((band for band in dtypes if dtypes[band] != common_dtype(finest)), None):
        raise UserError(f"{path}: {other} has {dtypes[other]} values, other bands {common_dtype(finest)}.")
    sources: dict[str, BandSource] = {}
    offsets: dict[str, int] = {}
    for band, dataset in opened.items():
        source = source_of(dataset, 1, factor_of(grid, dataset))
        said = source.nodata is not None or source.masked
        sources[band] = BandSource(files[band], 1, source.factor, source.nodata if said else nodata, source.masked)
        offsets[band] = stored_offset(dataset, 1)
    dtype = np.dtype(common_dtype(finest))
    handles.close()
    there = any(offsets.values())
    return Scene(
        name=scene_name(path), path=path, grid=grid, sources=sources, dtype=dtype, notes=notes,
        offsets=offsets if there else {}, offset_source="scale and offset in the files" if there else "",
    )  # fmt: skip
