"""One scene, or several dates of one, from files to a folder with a map."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eurosat_cls.models.classifier import Classifier
from eurosat_cls.scenes.finish import fineness
from eurosat_cls.scenes.folder import fingerprint, is_complete, locked, plain_disk_errors
from eurosat_cls.scenes.job import Job
from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.network import Network
from eurosat_cls.scenes.plan import check_space, make_plan, out_of_range
from eurosat_cls.scenes.settings import EUROSAT_PATCH, MapOptions, settings_of, short_digest
from eurosat_cls.scenes.source import Source, check_same_grid, open_source, statistics_of

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

    def sizes(self) -> tuple[int, int]:
        """Pixels of a window, and from one to the next."""
        window = self.options.window or self.window or EUROSAT_PATCH
        return window, self.options.step or max(1, window // 2)

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
        options, (window, step) = self.options, self.sizes()
        settings = settings_of(options, self.model, window, step)
        if len(paths) > 1:
            settings["dates"] = [path.name for path in paths]
        with ExitStack() as stack:
            sources = [stack.enter_context(open_source(path, self.model, options)) for path in paths]
            scene = sources[0].scene
            for other in sources[1:]:
                check_same_grid(sources[0], other)
            layout = Layout(scene.grid.height, scene.grid.width, window, step, options.batch_size)
            factor = fineness(scene.grid, step, options.resolution)
            more = f"_and_{len(paths) - 1}_more" if len(paths) > 1 else ""
            folder = self.out / f"{scene.name}{more}-{short_digest(settings)}"
            prints = [fingerprint(path) for path in paths]
            if not dry_run and is_complete(folder, prints, paths):
                self.message(f"{folder}: there already")
                return folder
            network = Network(self.model, layout.batch, options.device, options.precision)
            plan = make_plan(sources, layout, network, factor, options.strip_rows, options.method == "dense")
            self.message(plan.text)
            notes = self._notes(sources, layout)
            for note in notes:
                self.message(note)
            if dry_run:
                return None
            check_space(folder, plan.disk)
            stack.enter_context(locked(folder))
            about = {"model": dict(self.about or {}), "settings": settings, "notes": notes}
            with plain_disk_errors(folder):
                Job(network, sources, prints, layout, folder, options, about).run()
            return folder

    def _notes(self, sources: Sequence[Source], layout: Layout) -> list[str]:
        notes = [note for source in sources for note in getattr(source.scene, "notes", ())]
        if (statistics := statistics_of(self.model)) is not None:
            notes += [line for source in sources for line in out_of_range(source, layout, *statistics)]
        if self.options.mask is None:
            notes.append("clouds get a class like everything else; --mask clouds leaves out what the product marks")
        return [f"{'warning: ' if 'outside' in note else ''}{note}" for note in dict.fromkeys(notes)]
