"""Opening rasters with GDAL: local files of a few formats only, one handle for each thread."""

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from eurosat_cls.scenes.formats import GDAL_ERRORS, driver_for
from eurosat_cls.scenes.grid import Grid
from eurosat_cls.scenes.vrt import check_vrt
from eurosat_cls.utils.errors import UserError

_SETTINGS = {
    # no side files (.ovr, .msk, .aux.xml): GDAL opens them with any driver, network ones included
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "nothing",
}
_LEAST_CACHE, _MOST_CACHE = 64 * 2**20, 320 * 2**20  # bytes; the most holds two rows of blocks of a whole product
_LONGEST_REASON = 160
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)  # said in a scene's notes
_SAMPLED, _WINDOWS = 256, 4  # pixels along a side that a sample has, and windows that make them up


@contextmanager
def safely(cache: int = _LEAST_CACHE) -> Iterator[None]:
    """Let GDAL neither run code that a file holds nor look beyond the files it is given; it keeps so many bytes."""
    with rasterio.Env(**_SETTINGS, GDAL_CACHEMAX=cache):
        yield


@contextmanager
def reading(path: str, what: str = "it", cache: int = _LEAST_CACHE) -> Iterator[None]:
    """Read a file safely; GDAL keeps so many bytes of blocks.

    Raises:
        UserError: naming the file and what of it cannot be read.
    """
    try:
        with safely(cache):
            yield
    except UserError:
        raise
    except GDAL_ERRORS as error:
        raise UserError(
            f"{path}: {what} cannot be read ({reason_of(error, path)}); the file is damaged or cut off: get it again."
        ) from error


def open_raster(path: str | Path) -> DatasetReader:
    """Open a local raster.

    Args:
        path: a file, or the name of one in a zip archive as GDAL writes it (``/vsizip/{archive}/file``).

    Raises:
        UserError: for what is no raster of these formats, and a VRT that reaches beyond its folder.
    """
    name = str(path)
    driver: str | None = "JP2OpenJPEG"  # all that a product's archive holds
    if not name.startswith("/vsizip/"):
        path = Path(path).absolute()
        try:
            driver = driver_for(path)
        except OSError as error:
            raise UserError(f"{name}: cannot be read ({error.strerror}).") from error
        if driver is None:
            raise UserError(f"{name}: not a raster; GeoTIFF, JPEG 2000, VRT, PNG and Erdas Imagine files can be read.")
        if driver == "VRT":
            check_vrt(path)
    with reading(name):
        return rasterio.open(path, driver=driver)


def reason_of(error: BaseException, name: str) -> str:
    """Return what GDAL gives as the reason of an error, in one short line without the file's name."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()).replace(name, "").replace(name.rsplit("/", 1)[-1], "").strip(" :,'`.")
    return text[:_LONGEST_REASON] or type(error).__name__


def _rows_of_blocks(dataset: DatasetReader) -> int:
    """Bytes of two rows of a raster's blocks: strips begin and end within blocks, which are to be decoded once."""
    if dataset.driver == "VRT":  # its files have blocks of their own
        return _MOST_CACHE
    itemsizes = (np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    blocks = zip(dataset.block_shapes, itemsizes, strict=True)
    return sum(2 * height * dataset.width * itemsize for (height, _), itemsize in blocks)


def _brought_to(grid: Grid, dataset: DatasetReader) -> DatasetReader:
    # It is warped in blocks that are the same for every window.
    shape = {"transform": grid.transform, "height": grid.height, "width": grid.width}
    with safely():
        return WarpedVRT(dataset, crs=grid.crs, resampling=Resampling.nearest, **shape)


class Handles:
    """Keep the rasters of a scene open, each once in each thread: GDAL's handles must not be shared."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._all: list[DatasetReader] = []
        self._bytes: dict[str, int] = {}
        self._lock = threading.Lock()

    def get(self, path: str, grid: Grid | None = None) -> DatasetReader:
        """Return this thread's handle of a raster, brought to a grid if one is given; see :func:`open_raster`."""
        opened: dict[tuple[str, Grid | None], DatasetReader] = self._local.__dict__.setdefault("opened", {})
        if (path, grid) not in opened:
            dataset = open_raster(path) if grid is None else _brought_to(grid, self.get(path))
            opened[path, grid] = dataset
            with self._lock:
                self._all.append(dataset)
                self._bytes[path] = _rows_of_blocks(dataset)
        return opened[path, grid]

    @property
    def cache(self) -> int:
        """Bytes that GDAL may keep of what it has decoded."""
        with self._lock:  # another thread may be opening a raster
            known = sum(self._bytes.values())
        return min(_MOST_CACHE, max(_LEAST_CACHE, known))

    def read(
        self, path: str, indexes: Sequence[int], window: tuple[slice, slice], grid: Grid | None = None
    ) -> np.ndarray:
        """Read a window of some bands.

        Args:
            path: the raster.
            indexes: ``C`` numbers of bands, from 1.
            window: rows and columns, inside the raster or the grid.
            grid: bring the raster to this grid by its nearest pixels, 0 where it has none.

        Returns:
            ``[C, h, w]`` in the file's dtype.

        Raises:
            UserError: naming file and place of what cannot be read.
        """
        dataset, (rows, cols) = self.get(path, grid), window
        with reading(path, f"rows {rows.start} to {rows.stop}, columns {cols.start} to {cols.stop}", self.cache):
            values: np.ndarray = dataset.read(list(indexes), window=Window.from_slices(rows, cols))
        return values

    def read_mask(self, path: str, window: tuple[slice, slice]) -> np.ndarray:
        """Read a window of what a raster's own mask or alpha band leaves visible, bool ``[h, w]``."""
        with reading(path, "its mask", self.cache):
            mask: np.ndarray = self.get(path).read_masks(1, window=Window.from_slices(*window))
        visible: np.ndarray = mask != 0
        return visible

    def sample(self, path: str, index: int) -> np.ndarray:
        """Return values of a band from all over a raster, ``[n]``: those of an overview, else of a few windows."""
        dataset = self.get(path)
        height, width = dataset.shape
        if dataset.overviews(index):
            shape = (min(height, _SAMPLED), min(width, _SAMPLED))
            with reading(path, "an overview", self.cache):
                values: np.ndarray = dataset.read(index, out_shape=shape)
            return values.ravel()
        side, parts = _SAMPLED // _WINDOWS, []
        for row in {round(part * max(height - side, 0) / (_WINDOWS - 1)) for part in range(_WINDOWS)}:
            for col in {round(part * max(width - side, 0) / (_WINDOWS - 1)) for part in range(_WINDOWS)}:
                window = (slice(row, min(row + side, height)), slice(col, min(col + side, width)))
                parts.append(self.read(path, [index], window).ravel())
        return np.concatenate(parts)

    def close(self) -> None:
        """Close all handles, those of other threads too."""
        with self._lock:
            for dataset in reversed(self._all):
                dataset.close()
            self._all.clear()
        self._local = threading.local()

    def __reduce__(self) -> tuple[type["Handles"], tuple[()]]:
        return Handles, ()  # handles stay in their process
