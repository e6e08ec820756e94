"""One scene, or several dates of one, from files to a folder with a map."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eurosat_cls.models.classifier import Classifier
from eurosat_cls.scenes.dense import Geometry, check_multiples, geometry_of, rows_together
from eurosat_cls.scenes.finish import fineness
from eurosat_cls.scenes.folder import WORK, fingerprint, is_complete, plain_disk_errors
from eurosat_cls.scenes.job import Job
from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.network import Network
from eurosat_cls.scenes.opening import open_scene
from eurosat_cls.scenes.plan import check_space, make_plan
from eurosat_cls.scenes.polygons import check_polygons
from eurosat_cls.scenes.reference import read_legend
from eurosat_cls.scenes.scene import Scene
from eurosat_cls.scenes.settings import EUROSAT_PATCH, MapOptions, settings_of, short_digest
from eurosat_cls.scenes.source import Source, check_same_grid, source_of
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import look_through
from eurosat_cls.utils.locks import locked

Print = Callable[[str], None]


@dataclass
class Mapper:
    """Map scenes with one model.

    Attributes:
        model: a trained model.
        out: folder for the folders of maps.
        options: see :class:`MapOptions`.
        window: side of the training's patches, where it is known.
        about: what the manifest says of the model, plain data.
        message: prints a line.
    """

    model: Classifier
    out: Path
    options: MapOptions
    window: int | None = None
    about: Mapping[str, Any] | None = None
    message: Print = print

    def __post_init__(self) -> None:
        if self.options.calibrate is not None:
            self.model.calibrate = self.options.calibrate
        if self.options.views is not None:
            self.model.test_time_augmentation = self.options.views == 8
        self.model.check_wishes(None, self.options.min_familiarity)
        if self.options.method == "dense" and self.model.test_time_augmentation:
            raise UserError("--method dense looks at a scene once: add --views 1.")
        if self.options.polygons is not None:
            check_polygons()
        if self.options.legend is not None:
            read_legend(Path(self.options.legend), self.model.class_names)
            if self.model.task == "multilabel":
                raise UserError("--reference: a map of several labels cannot be compared with a raster of one class.")

    def sizes(self) -> tuple[int, int]:
        """Pixels of a window, and from one to the next."""
        training = self.model.input_check.statistics
        window = self.options.window or self.window or (training.size[0] if training else EUROSAT_PATCH)
        return window, max(1, window // 2) if self.options.step is None else self.options.step

    def map(self, paths: Sequence[Path], dry_run: bool = False) -> Path | None:
        """Map a scene, or the mean of several dates of one.

        A map that is there already is left as it is; one that was begun is continued.

        Args:
            paths: of the scene, or of each date.
            dry_run: only print what it would take.

        Returns:
            The folder of the map; None after a dry run.

        Raises:
            UserError: for whatever a person can mend.
        """
        with ExitStack() as stack:
            scenes = [stack.enter_context(self._open(path)) for path in paths]
            for other in scenes[1:]:
                check_same_grid(scenes[0], other)
            window, step = self.sizes()
            settings = settings_of(self.options, self.model, window, step)
            if len(paths) > 1:
                settings["dates"] = [path.name for path in paths]
            more = f"_and_{len(paths) - 1}_more" if len(paths) > 1 else ""
            folder = self.out / f"{scenes[0].name}{more}-{short_digest(settings)}"
            prints = [fingerprint(path) for path in paths]
            if folder.exists():
                look_through(folder)
            if not dry_run and is_complete(folder, prints, paths):
                shutil.rmtree(folder / WORK, ignore_errors=True)  # of a run that was killed behind its manifest
                self.message(f"{folder}: there already")
                return folder
            geometry = geometry_of(self.model, window) if self.options.method == "dense" else None
            layout = _layout(scenes[0], window, step, self.options.batch_size, geometry)
            job = self._job(scenes, prints, layout, folder, settings, geometry)
            if dry_run:
                return None
            check_space(folder, job.disk)
            stack.enter_context(locked(folder / ".lock", str(folder), "wait for it, or give another --out"))
            with plain_disk_errors(folder):
                job.run()
            return folder

    def _open(self, path: Path) -> Scene:
        chosen = self.options
        return open_scene(
            path, bands=chosen.bands, offset=chosen.offset, mask=chosen.mask, any_resolution=chosen.any_resolution
        )

    def _job(
        self, scenes: Sequence[Scene], prints: Sequence[list[int]], layout: Layout, folder: Path,
        settings: dict[str, Any], geometry: Geometry | None,
    ) -> Job:  # fmt: skip
        """Say what a map will take, and return what makes it."""
        options = self.options
        sources = [source_of(scene, self.model, options) for scene in scenes]
        factor = fineness(scenes[0].grid, layout.step, options.resolution)
        familiar = options.min_familiarity is not None
        network = Network(self.model, layout.batch, options.device, options.precision, familiar=familiar)
        plan = make_plan(sources, layout, network, factor, options.strip_rows, geometry is not None)
        self.message(plan.text)
        notes = self._notes(sources)
        for note in notes:
            self.message(note)
        about = {"model": dict(self.about or {}), "settings": settings, "notes": notes}
        return Job(network, sources, prints, layout, folder, options, about, plan.disk, geometry, self.message)

    def _notes(self, sources: Sequence[Source]) -> list[str]:
        notes = [note for source in sources for note in (*source.scene.notes, *source.notes)]
        if self.options.mask is None:
            notes.append("clouds get a class like everything else; --mask clouds leaves out what a product marks.")
        return list(dict.fromkeys(notes))


def _layout(scene: Scene, window: int, step: int, batch: int, geometry: Geometry | None) -> Layout:
    """Lay windows over a scene.

    Raises:
        UserError: naming the scene, where that cannot be.
    """
    try:
        if geometry is not None:
            check_multiples(window, step, geometry)
        together = rows_together(step) if geometry is not None else None
        return Layout(scene.grid.height, scene.grid.width, window, step, batch, together)
    except UserError as error:
        raise UserError(f"{scene.path}: {error}") from None
