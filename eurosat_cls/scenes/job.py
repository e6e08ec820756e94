"""From an open scene to the files of its map, one after the other."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from eurosat_cls.scenes.classify import Pass, by_windows, classify_scene
from eurosat_cls.scenes.dense import Dense, Geometry, agreement
from eurosat_cls.scenes.finish import Finish
from eurosat_cls.scenes.folder import MANIFEST, WORK
from eurosat_cls.scenes.images import read_images
from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.network import Network
from eurosat_cls.scenes.page import write_page
from eurosat_cls.scenes.polygons import write_polygons
from eurosat_cls.scenes.preview import draw_preview, write_preview
from eurosat_cls.scenes.reference import accuracy_text, adjusted_accuracy, compare, read_legend
from eurosat_cls.scenes.settings import MapOptions
from eurosat_cls.scenes.source import Source, shown_channels
from eurosat_cls.scenes.strips import groups_per_strip
from eurosat_cls.scenes.work import Work
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import remove_parts, write_json, write_text
from eurosat_cls.utils.machine import versions
from eurosat_cls.utils.progress import progress


@dataclass
class Job:
    """Map a scene, or the mean of several dates of one, into a folder that nobody else works in.

    Attributes:
        network: what classifies.
        sources: the scene, or its dates.
        prints: the fingerprint of each.
        layout: windows and cells.
        folder: of the map.
        options: see :class:`MapOptions`.
        about: what the manifest says besides, plain data.
        disk: bytes that it may take.
        geometry: of the encoder, where whole strips are classified at once.
        message: prints a line.
    """

    network: Network
    sources: Sequence[Source]
    prints: Sequence[list[int]]
    layout: Layout
    folder: Path
    options: MapOptions
    about: dict[str, Any]
    disk: int
    geometry: Geometry | None = None
    message: Callable[[str], None] = print
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Classify what is not yet, and write everything; the manifest last."""
        remove_parts(self.folder, "*")
        (self.folder / MANIFEST).unlink(missing_ok=True)
        works = [self._classified(number) for number in range(len(self.sources))]
        if not any(work.trusted.any() for work in works):
            self._give_up(works)
        finish = Finish(
            self.network.model, works, self.layout, self.sources[0].scene.grid, self.options.min_confidence,
            self.options.resolution, self.sources[0].areas, self.options.min_familiarity,
        )  # fmt: skip
        if self.geometry is not None:
            self.about["agreement"] = agreement(
                self.network, self.layout, self.sources[0], works[0].probabilities, works[0].trusted
            )
            self.message(self.about["agreement"])
        with self._timed("rasters"):
            finish.write_classes(self.folder / "classes.tif")
            finish.write_areas(self.folder / "areas.csv")
            finish.write_probabilities(self.folder / "probabilities.tif")
            if self.options.min_familiarity is not None:
                finish.write_familiarity(self.folder / "familiarity.tif")
        with self._timed("comparisons"):
            self._extras(finish)
        with self._timed("pictures"):
            self._draw(finish)
        self._write_manifest(finish)
        for work in works:
            work.remove()
        (self.folder / WORK).rmdir()

    def _give_up(self, works: Sequence[Work]) -> NoReturn:
        """Leave nothing of a scene that holds nothing."""
        for work in works:
            work.remove()
        (self.folder / ".lock").unlink(missing_ok=True)
        for path in (self.folder / WORK, self.folder):
            with suppress(OSError):  # a folder that is not empty, or not ours alone
                path.rmdir()
        share = f"{100 * self.options.min_valid:g} %"
        path = self.sources[0].scene.path
        raise UserError(f"{path}: no valid pixel to map, or no window with {share} of them (--min_valid).")

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 2)

    @cached_property
    def _layout_settings(self) -> dict[str, Any]:
        layout = self.layout
        return {
            "shape": [layout.height, layout.width],
            "batch": layout.batch,
            "group": layout.group,
            "device": self.network.device.type,
        }

    def _classified(self, number: int) -> Work:
        source, layout = self.sources[number], self.layout
        settings = {**self.about["settings"], **self._layout_settings, "scene": self.prints[number]}
        work = Work(self.folder / WORK / str(number), layout, self.network.outputs, settings)
        if work.complete:
            return work
        itemsize = source.convert(np.zeros((len(source.bands), 1, 1), source.scene.dtype)).itemsize
        together = groups_per_strip(layout, len(source.bands), itemsize, self.options.strip_rows)
        margin = self.geometry.margin if self.geometry is not None else 0
        how = Pass(self.options.min_valid, shown_channels(self.network.model.bands), together, margin)
        classify = (
            by_windows(self.network, layout) if self.geometry is None else Dense(self.network, layout, self.geometry)
        )
        done = layout.group_rows(0, work.done).stop * layout.shape[1]
        bar = progress(layout.shape[0] * layout.shape[1], source.scene.name, "windows", done)
        with self._timed(f"classify {source.scene.name}"), bar as advance:
            classify_scene(source, layout, classify, work, how, advance)
        return work

    def _extras(self, finish: Finish) -> None:
        """Write polygons and the comparison with a reference, where they are asked for."""
        classes, options, names = self.folder / "classes.tif", self.options, self.network.model.class_names
        if options.polygons is not None:
            extent = self.layout.height / finish.factor, self.layout.width / finish.factor
            legends = list(finish.legends.values())
            write_polygons(self.folder / "classes.gpkg", classes, legends, options.polygons, extent)
        if options.reference is not None and options.legend is not None:
            counts = compare(classes, Path(options.reference), read_legend(Path(options.legend), names), names)
            mapped = finish.sums[0].hectares[: len(names)]
            write_text(self.folder / "reference.csv", accuracy_text(adjusted_accuracy(counts, mapped), names))

    def _draw(self, finish: Finish) -> None:
        """Write ``preview.png`` and ``map.html``."""
        scene, rows = self.sources[0].scene, finish.area_rows()
        images = read_images(self.folder, finish.works, self.layout)
        entries = [e for legend in finish.legends.values() for e in (legend[1:2] if finish.multilabel else legend)]
        there = sorted((-int(row[1]), k) for k, row in enumerate(rows) if int(row[1]))
        areas = [f"{float(row[2]):,.0f} ha" if row[2] else f"{int(row[1]):,} pixels" for row in rows]
        listed = [(entries[k].name, entries[k].hex, areas[k]) for _, k in there]
        dates = f"; mean of {len(self.sources)} dates" if len(self.sources) > 1 else ""
        note = (
            f"{self.about['model'].get('checkpoint', 'a model')}; windows of {self.layout.window} pixels every "
            f"{self.layout.step}{dates}"
        )
        extent = (self.layout.height, self.layout.width)
        figure = draw_preview(images, images.painted(finish.legends), extent, listed, scene.name, note)
        write_preview(self.folder / "preview.png", figure)
        names = self.network.model.class_names
        write_page(self.folder / "map.html", images, finish.legends, names, rows, scene.grid, scene.name, note)

    def _write_manifest(self, finish: Finish) -> None:
        files = sorted(path.name for path in self.folder.iterdir() if path.name[0] != ".")
        grid = self.sources[0].scene.grid
        scenes = [
            {
                "path": str(source.scene.path), "fingerprint": found, "level": source.scene.level,
                "baseline": source.scene.baseline, "offsets": source.scene.offsets,
                "offset_source": source.scene.offset_source, "unit": source.convert.describe(),
            }
            for source, found in zip(self.sources, self.prints, strict=True)
        ]  # fmt: skip
        write_json(self.folder / MANIFEST, {
            **self.about, "scenes": scenes, "classes": self.network.model.class_names,
            "windows": {"size": self.layout.window, "step": self.layout.step, "batch": self.layout.batch},
            "grid": {"height": grid.height, "width": grid.width, "transform": list(grid.transform)[:6],
                     "crs": grid.crs.to_wkt() if grid.crs else None},
            "areas": finish.area_rows(), "seconds": self.seconds, "files": files, "versions": versions(),
        })  # fmt: skip
