"""Write maps as Cloud Optimized GeoTIFFs, with names and colours."""

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.windows import Window

from eurosat_cls.scenes.legend import Entry, colour_table, tags_of, write_names, write_style
from eurosat_cls.scenes.scene import Grid
from eurosat_cls.utils.files import replacing, write_bytes

Rows = tuple[int, np.ndarray]  # first row, and values [bands, h, w]
_BLOCK = 256


def grid_at(grid: Grid, step: int) -> Grid:
    """Return the grid whose cells are ``step x step`` pixels of another, from the same corner."""
    a, b, c, d, e, f = list(grid.transform)[:6]
    transform = Affine(a * step, b * step, c, d * step, e * step, f)
    return Grid(-(-grid.height // step), -(-grid.width // step), transform, grid.crs)


def write_raster(
    path: Path,
    grid: Grid,
    blocks: Iterable[Rows],
    bands: Sequence[str],
    dtype: str,
    nodata: float,
    overviews: str,
    finish: Callable[[Any], None] = lambda dataset: None,
) -> None:
    """Write a COG.

    Args:
        path: of the file.
        grid: of its pixels.
        blocks: its values, from north to south.
        bands: a description of each band.
        dtype: of its values.
        nodata: what stands for none.
        overviews: resampling of the overviews.
        finish: called with the dataset before it is closed.

    Raises:
        OSError: when the disk is full.
    """
    profile: dict[str, Any] = {
        "driver": "GTiff", "height": grid.height, "width": grid.width, "count": len(bands), "dtype": dtype,
        "nodata": nodata, "crs": grid.crs, "transform": grid.transform, "tiled": True, "blockxsize": _BLOCK,
        "blockysize": _BLOCK, "compress": "deflate", "zlevel": 1, "bigtiff": "if_safer", "interleave": "band",
    }  # fmt: skip
    try:
        with rasterio.Env(GDAL_PAM_ENABLED=False), replacing(path) as part:
            flat = part.with_name("flat.tif")
            with rasterio.open(flat, "w", **profile) as dataset:
                for start, values in blocks:
                    dataset.write(values, window=Window(0, start, grid.width, values.shape[1]))
                dataset.descriptions = tuple(bands)
                finish(dataset)
            rasterio.shutil.copy(
                flat, part, driver="COG", compress="deflate", level=9, predictor="yes" if dtype[0] == "f" else "no",
                blocksize=_BLOCK, resampling=overviews, num_threads=2, bigtiff="if_safer",
            )  # fmt: skip
    except (RasterioError, CPLE_BaseError) as error:  # GDAL tells of a full disk in words only
        number = errno.ENOSPC if "space left" in str(error).lower() else errno.EIO
        raise OSError(number, str(error).splitlines()[0], str(path)) from error


def write_classes(
    path: Path, grid: Grid, blocks: Iterable[Rows], bands: Mapping[str, Sequence[Entry]], tags: Mapping[str, str]
) -> None:
    """Write a map of classes, its names beside it (``.aux.xml``) and its style (``.qml``).

    Args:
        path: of the GeoTIFF.
        grid: of its pixels.
        blocks: uint8 values, 255 where nothing is known.
        bands: by name of the band, the legend of its values.
        tags: further ones for the file.
    """
    legends = list(bands.values())
    counts = np.zeros((len(legends), 256), np.int64)

    def counted() -> Iterable[Rows]:
        for start, values in blocks:
            for band, plane in enumerate(values):
                counts[band] += np.bincount(plane.ravel(), minlength=256)
            yield start, values

    def finish(dataset: Any) -> None:
        dataset.update_tags(**tags, **tags_of(legends[0]))
        if len(legends) == 1:
            dataset.write_colormap(1, colour_table(legends[0]))
            dataset.colorinterp = [ColorInterp.palette]

    write_raster(path, grid, counted(), list(bands), "uint8", 255, "mode", finish)
    by_value = [{value: int(n) for value, n in enumerate(row) if n} for row in counts]
    write_bytes(path.with_name(path.name + ".aux.xml"), write_names(legends, by_value))
    write_bytes(path.with_suffix(".qml"), write_style(legends))
