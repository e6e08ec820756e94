"""From classified windows to the rasters and the table of a map."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from eurosat_cls.models.classifier import Classifier
from eurosat_cls.scenes.areas import Areas
from eurosat_cls.scenes.cells import Cells, cells_of, unpack
from eurosat_cls.scenes.hectares import HEAD, AreaSums, PixelAreas, area_rows, harmless_csv
from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.legend import NODATA, UNCERTAIN, Entry, legend_of
from eurosat_cls.scenes.network import decide
from eurosat_cls.scenes.rasters import Rows, grid_at, write_classes, write_raster
from eurosat_cls.scenes.scene import Grid
from eurosat_cls.scenes.work import Work
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_text


class Decided(NamedTuple):
    """Some rows of cells and what was decided for them.

    Attributes:
        cells: their probabilities.
        classes: uint8 ``[bands, r, columns]``.
        confidence: float32 ``[bands, r, columns]``, in each of these.
        overall: float32 ``[r, columns]``, NaN where nothing is known.
        familiarity: likewise; None where it was not asked for.
    """

    cells: Cells
    classes: np.ndarray
    confidence: np.ndarray
    overall: np.ndarray
    familiarity: np.ndarray | None = None


@dataclass(frozen=True)
class Finish:
    """Write the rasters of a map, and the table of its areas.

    Attributes:
        model: whose classes and thresholds count.
        works: classified windows, of each date.
        layout: of the scene.
        grid: of its pixels.
        min_confidence: cells below it are left undecided.
        resolution: size on the ground of the pixels of ``classes.tif``; None for that of the cells.
        areas: polygons, each of which is summed up by itself.
        min_familiarity: cells below it are left undecided too.
        sums: of each band of ``classes.tif``, once that is written.
        polygons: likewise of each polygon.
    """

    model: Classifier
    works: Sequence[Work]
    layout: Layout
    grid: Grid
    min_confidence: float | None = None
    resolution: float | None = None
    areas: Areas | None = None
    min_familiarity: float | None = None
    sums: list[AreaSums] = field(default_factory=list)
    polygons: list[list[AreaSums]] = field(default_factory=list)

    @property
    def multilabel(self) -> bool:
        """Whether a cell may have several labels, each of which has a band then."""
        return self.model.task == "multilabel"

    @cached_property
    def legends(self) -> dict[str, list[Entry]]:
        """By band of ``classes.tif``, the legend of its values."""
        uncertain = self.min_confidence is not None or self.min_familiarity is not None
        entries = legend_of(self.model.class_names, uncertain)
        if not self.multilabel:
            return {"class": entries}
        last = entries[len(self.model.class_names) :]
        return {
            name: [Entry(0, f"no {name}", (236, 236, 236)), Entry(1, name, entry.colour), *last]
            for name, entry in zip(self.model.class_names, entries)
        }

    @cached_property
    def factor(self) -> int:
        """Pixels of the scene along the side of one of ``classes.tif``."""
        return fineness(self.grid, self.layout.step, self.resolution)

    def decided(self) -> Iterator[Decided]:
        """Yield all cells from north to south."""
        for cells in cells_of(self.works, self.layout):
            cells, familiarity = self._parted(cells)
            shape, known = cells.known.shape, cells.known
            flat = cells.probabilities.reshape(-1, cells.probabilities.shape[2])
            labels, overall = decide(self.model, flat)
            if self.multilabel:
                classes = labels.T.reshape(-1, *shape)
                present = np.moveaxis(cells.probabilities, 2, 0)
                confidence = np.where(classes == 1, present, 1 - present)
            else:
                classes, confidence = labels.reshape(1, *shape), overall.reshape(1, *shape)
            if self.min_confidence is not None:
                classes = np.where(confidence < self.min_confidence, np.uint8(UNCERTAIN), classes)
            if familiarity is not None and self.min_familiarity is not None:
                classes = np.where(familiarity < self.min_familiarity, np.uint8(UNCERTAIN), classes)
            classes = np.where(known, classes, np.uint8(NODATA))
            overall = np.where(known, overall.reshape(shape), np.float32(math.nan))
            yield Decided(cells, classes, confidence, overall, familiarity)

    def _parted(self, cells: Cells) -> tuple[Cells, np.ndarray | None]:
        """Take the familiarity from behind the probabilities."""
        count, values = len(self.model.class_names), cells.probabilities
        if values.shape[2] == count:
            return cells, None
        familiarity = np.where(cells.known, values[:, :, count], np.float32(math.nan))
        return cells._replace(probabilities=values[:, :, :count]), familiarity

    def write_classes(self, path: Path) -> None:
        """Write ``classes.tif`` and what belongs to it, and sum up the areas."""
        areas = PixelAreas(self.grid)
        self.sums[:] = [AreaSums() for _ in self.legends]
        names = self.areas.names if self.areas is not None else []
        self.polygons[:] = [[AreaSums() for _ in self.legends] for _ in names]
        rows, columns = ((axis.edges[1:] + axis.edges[:-1]) / 2 for axis in (self.layout.rows, self.layout.columns))

        def blocks() -> Iterator[Rows]:
            for part in self.decided():
                hectares = areas.at(rows[part.cells.rows], columns)
                for sums, classes, confidence in zip(self.sums, part.classes, part.confidence, strict=True):
                    sums.add(classes, part.cells.pixels, hectares, confidence)
                self._add_polygons(part, hectares)
                yield self._fine(part)

        tags = {"SOFTWARE": "eurosat_cls", "MODEL_CLASSES": ", ".join(self.model.class_names)}
        write_classes(path, grid_at(self.grid, self.factor), blocks(), self.legends, tags)

    def _add_polygons(self, part: Decided, hectares: np.ndarray) -> None:
        """Add the cells of each polygon, by the pixels of them that are in it."""
        if self.areas is None:
            return
        edges, columns = self.layout.rows.edges, self.layout.columns.edges[:-1]
        for line, row in enumerate(range(part.cells.rows.start, part.cells.rows.stop)):
            pixels = slice(int(edges[row]), int(edges[row + 1]))
            valid = np.bitwise_or.reduce([unpack(work.valid[pixels], self.grid.width) for work in self.works])
            for index, mask in self.areas.masks(pixels, slice(0, self.grid.width)):
                count = np.add.reduceat((mask & (valid > 0)).sum(axis=0), columns)
                for band, sums in enumerate(self.polygons[index]):
                    sums.add(part.classes[band, line], count, hectares[line], part.confidence[band, line])

    def _fine(self, part: Decided) -> Rows:
        """Bring decided cells to the pixels of ``classes.tif``."""
        times = self.layout.step // self.factor
        start, stop = part.cells.rows.start * times, part.cells.rows.stop * times
        if times == 1:
            return start, part.classes
        fine = np.repeat(np.repeat(part.classes, times, axis=1), times, axis=2)
        target = grid_at(self.grid, self.factor)
        fine = fine[:, : min(stop, target.height) - start, : target.width]
        pixels = slice(start * self.factor, min(stop * self.factor, self.grid.height))
        seen = np.zeros(fine.shape[1:], bool)
        for work in self.works:
            valid = unpack(work.valid[pixels], self.grid.width)
            down = np.bitwise_or.reduceat(valid, np.arange(0, len(valid), self.factor), axis=0)
            seen |= np.bitwise_or.reduceat(down, np.arange(0, self.grid.width, self.factor), axis=1) > 0
        return start, np.where(seen, fine, np.uint8(NODATA))

    def write_probabilities(self, path: Path) -> None:
        """Write ``probabilities.tif``: a band for each class, and the confidence in what was decided."""

        def blocks() -> Iterator[Rows]:
            for part in self.decided():
                values = np.where(part.cells.known[:, :, None], part.cells.probabilities, np.float32(math.nan))
                yield part.cells.rows.start, np.concatenate([np.moveaxis(values, 2, 0), part.overall[None]])

        bands = [*self.model.class_names, "confidence"]
        write_raster(path, grid_at(self.grid, self.layout.step), blocks(), bands, "float32", math.nan, "average")

    def write_familiarity(self, path: Path) -> None:
        """Write ``familiarity.tif``: the mean familiarity of the windows over each cell."""
        parts = ((part.cells.rows.start, part.familiarity[None]) for part in self.decided()
                 if part.familiarity is not None)  # fmt: skip
        grid = grid_at(self.grid, self.layout.step)
        write_raster(path, grid, parts, ["familiarity"], "float32", math.nan, "average")

    def area_rows(self, sums: Sequence[AreaSums] | None = None) -> list[list[str]]:
        """Rows of the table of areas of the whole map or a polygon, once the classes are written."""
        sums = self.sums if sums is None else sums
        if not self.multilabel:
            return area_rows(sums[0], self.legends["class"])
        rows = []
        for one, entries in zip(sums, self.legends.values(), strict=True):
            rows += area_rows(one, entries[1:2], shares=False)
        return rows

    def write_areas(self, path: Path) -> None:
        """Write ``areas.csv``; where there are polygons, a row for each of them and each class."""
        if self.areas is None:
            write_text(path, harmless_csv(HEAD, self.area_rows()))
            return
        tables = zip(self.areas.names, self.polygons, strict=True)
        rows = [[name, *row] for name, sums in tables for row in self.area_rows(sums)]
        write_text(path, harmless_csv(("polygon", *HEAD), rows))


def fineness(grid: Grid, step: int, resolution: float | None) -> int:
    """Return how many pixels of a scene are along the side of one of its map.

    Raises:
        UserError: for a resolution that does not divide the cells.
    """
    if resolution is None:
        return step
    pixels = resolution / abs(grid.transform.a)
    if not (0.98 < pixels / max(round(pixels), 1) < 1.02 and round(pixels) and step % round(pixels) == 0):
        fitting = [n * abs(grid.transform.a) for n in range(1, step + 1) if step % n == 0]
        raise UserError(
            f"--resolution {resolution:g}: cells of {step} pixels can be cut into pixels of "
            f"{', '.join(f'{size:g}' for size in fitting)}."
        )
    return round(pixels)
