"""A scene: named bands on one grid, read by windows in one unit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np

from eurosat_cls.scenes.grid import Grid
from eurosat_cls.scenes.masks import Mask
from eurosat_cls.scenes.raster import Handles
from eurosat_cls.scenes.resample import read_coarse

__all__ = ["BandSource", "Grid", "Scene"]

DIGITAL_NUMBERS = (np.uint16, np.int16)  # dtypes in which a pixel that is 0 in every band is none
_LONGEST_NAME = 100


@dataclass(frozen=True)
class BandSource:
    """Where the pixels of a band are.

    Attributes:
        path: the raster, as :func:`eurosat_cls.scenes.raster.open_raster` takes it.
        index: number of the band in it, from 1.
        factor: how many pixels of the scene's grid its own pixels are wide and high.
        nodata: value that stands for a missing pixel; NaN always does.
        masked: whether the raster has a mask or an alpha band of its own.
    """

    path: str
    index: int
    factor: int = 1
    nodata: float | None = None
    masked: bool = False


@dataclass
class Scene:
    """A raster scene, whatever files it is made of; made by :func:`eurosat_cls.scenes.open_scene`.

    Reading is safe in several threads, each of which opens the files once; a pickled scene opens them anew. To be
    closed, or used in a ``with`` statement.

    Attributes:
        name: short, and safe as the name of a folder.
        path: file or folder.
        grid: the pixels, of 10 m in a product.
        sources: by band name, where its pixels are.
        dtype: of the values.
        level: ``L1C``, ``L2A``, or None where unknown.
        baseline: processing baseline of a product, such as ``05.09``.
        offsets: by band name, what is added to digital numbers to get 10,000 times the reflectance.
        offset_source: where the offsets were found.
        mask: which pixels to leave out, clouds for example.
        missing: by band name, why a band that the scene should have is not there.
        notes: what a person should know of it, in sentences.
    """

    name: str
    path: Path
    grid: Grid
    sources: dict[str, BandSource]
    dtype: np.dtype
    level: str | None = None
    baseline: str | None = None
    offsets: dict[str, int] = field(default_factory=dict)
    offset_source: str = ""
    mask: Mask | None = None
    missing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    handles: Handles = field(default_factory=Handles, repr=False)

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands, those of Sentinel-2 as ``B02``."""
        return tuple(self.sources)

    def read(self, bands: Sequence[str], rows: slice, cols: slice) -> tuple[np.ndarray, np.ndarray]:
        """Read a window.

        Values of 16-bit products are 10,000 times the reflectance, without offset and at least 1 where valid; those of
        other scenes are as stored. What a window holds does not depend on where it begins and ends.

        Args:
            bands: ``C`` of :attr:`bands`.
            rows: ``h`` rows of the grid, with start and stop.
            cols: ``w`` columns.

        Returns:
            ``(values, valid)``: ``[C, h, w]`` in :attr:`dtype`, 0 where not valid; bool ``[h, w]``, False where one of
            the bands has no data.

        Raises:
            UserError: naming file and place of what cannot be read.
        """
        height, width = rows.stop - rows.start, cols.stop - cols.start
        assert 0 <= rows.start < rows.stop <= self.grid.height
        assert 0 <= cols.start < cols.stop <= self.grid.width
        values = np.empty((len(bands), height, width), self.dtype)
        valid = np.ones((height, width), bool)
        for channels in self._channels_by_file(bands):
            names = [bands[channel] for channel in channels]
            values[channels], there = self._brought_to_grid(names, rows, cols)
            valid &= there
        if self.dtype in DIGITAL_NUMBERS and all(self.sources[band].nodata is None for band in bands):
            valid &= values.any(axis=0)  # no Sentinel-2 pixel is 0 in every band
        values[:, ~valid] = 0
        return values, valid

    def excluded(self, rows: slice, cols: slice) -> np.ndarray | None:
        """Return which pixels of a window the mask leaves out, bool ``[h, w]``; None for a scene without a mask."""
        return None if self.mask is None else self.mask.read(self.handles, self.grid, rows, cols)

    def close(self) -> None:
        """Close the files."""
        self.handles.close()

    def __enter__(self) -> "Scene":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _channels_by_file(self, bands: Sequence[str]) -> list[list[int]]:
        """Return the positions of the bands, together those that one read gets."""
        groups: dict[str, list[int]] = {}
        for channel, band in enumerate(bands):
            groups.setdefault(self.sources[band].path, []).append(channel)
        return list(groups.values())

    def _brought_to_grid(self, bands: Sequence[str], rows: slice, cols: slice) -> tuple[np.ndarray, np.ndarray]:
        """Read bands of one file in the scene's pixels: values ``[n, h, w]`` and where all are valid."""
        factor = self.sources[bands[0]].factor
        if factor == 1:
            return self._stored(bands, (rows, cols))
        shape = (-(-self.grid.height // factor), -(-self.grid.width // factor))
        read = [read_coarse(partial(self._stored, [band]), shape, factor, rows, cols) for band in bands]
        return np.stack([values for values, _ in read]), np.logical_and.reduce([valid for _, valid in read])

    def _stored(self, bands: Sequence[str], window: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        """Read bands of one file in its own pixels, without offset: values ``[n, h, w]`` and where all are valid."""
        path, indexes = self.sources[bands[0]].path, [self.sources[band].index for band in bands]
        values = self.handles.read(path, indexes, window)
        valid = np.logical_and.reduce([self._clean(plane, band) for plane, band in zip(values, bands)])
        if self.sources[bands[0]].masked:
            valid &= self.handles.read_mask(path, window)
        return values, valid

    def _clean(self, values: np.ndarray, band: str) -> np.ndarray:
        """Take the offset out of a band's values, in place, and return which are valid."""
        nodata, offset = self.sources[band].nodata, self.offsets.get(band, 0)
        valid: np.ndarray = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
        if nodata is not None:
            valid &= values != nodata
        if offset:
            np.maximum(values, 1 - offset, out=values)
            values -= values.dtype.type(-offset)
        return valid

    def sample(self, band: str) -> np.ndarray:
        """Return some thousand valid values of a band from all over the scene, as :meth:`read` gives them; quick.

        Raises:
            UserError: naming file and place of what cannot be read.
        """
        source = self.sources[band]
        values = self.handles.sample(source.path, source.index)
        valid = self._clean(values, band)
        if source.nodata is None and self.dtype in DIGITAL_NUMBERS:
            valid &= values != 0
        sampled: np.ndarray = values[valid]
        return sampled


def scene_name(path: Path) -> str:
    """Return a short name for a scene that is safe as the name of a folder.

    Example:
        >>> scene_name(Path("in/S2B_MSIL1C_T33UXP.SAFE.zip")), scene_name(Path("über all.tif"))
        ('S2B_MSIL1C_T33UXP', 'ber_all')
    """
    stem = re.sub(r"(?i)(\.SAFE)?\.(zip|tiff?|jp2|vrt|png|img|SAFE)$", "", path.name)
    return re.sub(r"[^A-Za-z0-9.-]+", "_", stem).strip("._-")[:_LONGEST_NAME] or "scene"
