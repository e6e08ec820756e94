"""Small pictures of a map: true colour, classes, confidence and probabilities, for the preview and the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling

from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.legend import NODATA, Entry
from eurosat_cls.scenes.work import Work

LARGEST_SIDE = 640  # cells that a page holds along a side
_GAMMA = 0.7  # lifts dark water and forest


@dataclass(frozen=True)
class Images:
    """What a map looks like, at a size that a page can hold.

    Attributes:
        colour: uint8 ``[h, w, 3]``.
        colour_pixels: pixels of the scene along the side of one of ``colour``.
        classes: uint8 ``[bands, r, c]``, the values of ``classes.tif``.
        probabilities: uint8 ``[K + 1, r, c]`` in 1/250, the confidence last; 255 where nothing is known.
        cell_pixels: pixels of the scene along the side of a cell.
    """

    colour: np.ndarray
    colour_pixels: int
    classes: np.ndarray
    probabilities: np.ndarray
    cell_pixels: int

    def painted(self, legends: Mapping[str, Sequence[Entry]]) -> np.ndarray:
        """Classes in their colours, uint8 ``[r, c, 4]``; of several labels the most probable one that is there."""
        table = np.zeros((256, 4), np.uint8)
        if len(self.classes) == 1:
            for entry in next(iter(legends.values())):
                table[entry.value] = (*entry.colour, 255)
            painted: np.ndarray = table[self.classes[0]]
            return painted
        colours = np.array([[*entries[1].colour, 255] for entries in legends.values()], np.uint8)
        there = np.where(self.classes == 1, self.probabilities[:-1].astype(int), -1)
        painted = colours[there.argmax(0)]
        painted[there.max(0) < 0] = 0
        return painted


def read_images(folder: Path, works: Sequence[Work], layout: Layout) -> Images:
    """Read what a map looks like from its rasters, and the true colour from what was kept of its scene.

    Args:
        folder: of the map.
        works: classified windows of each date.
        layout: of the scene.
    """
    cells = layout.cells
    times = max(1, -(-max(cells) // LARGEST_SIDE))
    shape = (-(-cells[0] // times), -(-cells[1] // times))
    with rasterio.open(folder / "probabilities.tif") as dataset:
        planes = [_sampled(dataset, band, shape, times) for band in range(1, dataset.count + 1)]
    values = np.stack(planes)
    known = np.isfinite(values).all(axis=0)
    scaled = np.where(known, np.round(np.nan_to_num(values) * 250), 255).astype(np.uint8)
    with rasterio.open(folder / "classes.tif") as dataset:
        fine = max(1, round(dataset.width / cells[1]))
        classes = np.stack([_sampled(dataset, b, shape, times * fine) for b in range(1, dataset.count + 1)])
    return Images(true_colour([work.picture for work in works]), layout.shrink, np.where(known, classes, NODATA),
                  scaled, layout.step * times)  # fmt: skip


def _sampled(dataset: rasterio.DatasetReader, band: int, shape: tuple[int, int], times: int) -> np.ndarray:
    """Every ``times``-th pixel, from the middle of the first ones; ``[r, c]``."""
    result = np.empty(shape, dataset.dtypes[band - 1])
    for row in range(shape[0]):
        line = min(row * times + times // 2, dataset.height - 1)
        values = dataset.read(band, window=((line, line + 1), (0, dataset.width)), resampling=Resampling.nearest)[0]
        result[row] = values[np.minimum(np.arange(shape[1]) * times + times // 2, dataset.width - 1)]
    return result


def true_colour(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Bring the means of three bands to bytes, dark parts lifted; of several dates the mean.

    Args:
        pictures: float32 ``[h, w, 4]`` each, the last channel being the share of valid pixels.

    Returns:
        uint8 ``[h, w, 3]``, white where there is nothing.
    """
    share = sum(np.asarray(picture[:, :, 3:]) for picture in pictures)
    weighted = sum(np.asarray(picture[:, :, :3]) * picture[:, :, 3:] for picture in pictures)
    mean: np.ndarray = weighted / np.maximum(share, 1e-6)
    seen = np.asarray(share)[:, :, 0] > 0
    if not seen.any():
        return np.full(mean.shape, 255, np.uint8)
    low, high = np.percentile(mean[seen], (1, 99), axis=0)
    scaled = ((mean - low) / np.maximum(high - low, 1e-6)).clip(0, 1) ** _GAMMA
    result: np.ndarray = np.where(seen[:, :, None], np.round(255 * scaled), 255).astype(np.uint8)
    return result
