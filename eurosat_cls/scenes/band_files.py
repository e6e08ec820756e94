"""Scenes whose bands are files of their own, on grids that fit into each other."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from eurosat_cls.scenes.grid import factor_of, grid_of
from eurosat_cls.scenes.raster import open_raster, reading
from eurosat_cls.scenes.raster_file import common_dtype, source_of, stored_offset
from eurosat_cls.scenes.scene import Scene, scene_name
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
    with ExitStack() as stack:
        stack.enter_context(reading(str(path)))
        opened = {band: stack.enter_context(open_raster(file)) for band, file in files.items()}
        finest = max(opened.values(), key=lambda dataset: (dataset.height, dataset.width))
        grid, notes = grid_of(finest, any_resolution)
        dtype = common_dtype(finest)
        if other := next((band for band in opened if common_dtype(opened[band]) != dtype), None):
            raise UserError(f"{path}: {other} has {common_dtype(opened[other])} values, other bands {dtype}.")
        sources = {band: source_of(dataset, 1, factor_of(grid, dataset)) for band, dataset in opened.items()}
        offsets = {band: stored_offset(dataset, 1) for band, dataset in opened.items()}
    for band, source in sources.items():
        if source.nodata is None and not source.masked:
            sources[band] = replace(source, nodata=nodata)
    there = any(offsets.values())
    return Scene(
        name=scene_name(path), path=path, grid=grid, sources=sources, dtype=dtype, notes=notes,
        offsets=offsets if there else {}, offset_source="scale and offset in the files" if there else "",
    )  # fmt: skip
