"""Where a run writes: its folder, and its TensorBoard loggers."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import look_through


def run_folder(trainer: Trainer) -> Path:
    """Return the folder of the run: what the command line chose, else where the logger writes."""
    chosen: Path | None = getattr(trainer, "run_folder", None)
    return chosen or Path(trainer.log_dir or trainer.default_root_dir)


def tensorboards(trainer: Trainer) -> list[TensorBoardLogger]:
    """Return the loggers of a trainer that write for TensorBoard."""
    return [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]


def check_writers(trainer: Trainer) -> None:
    """Look through what loggers and profilers write to, who follow links.

    Raises:
        UserError: naming a link there, or on the way there from the folder that was chosen; and for the file of a
            profiler that is named with a folder.
    """
    for logger in trainer.loggers:
        if isinstance(logger, CSVLogger | TensorBoardLogger):
            place, chosen = Path(logger.log_dir), Path(logger.save_dir or ".")
            steps = [step for step in (place, *place.parents) if step != chosen and step.is_relative_to(chosen)]
            _refuse_links(steps, place)
            if place.is_dir():
                look_through(place)
    profiler: Any = trainer.profiler  # type: ignore[attr-defined]
    if name := getattr(profiler, "filename", None):
        folder = Path(profiler.dirpath or trainer.default_root_dir)
        if Path(name).name != name:
            raise UserError(f"trainer.profiler: filename {name!r} is no name of a file; dirpath is for the folder.")
        _refuse_links([step for step in folder.glob("*") if name in step.name], folder)


def _refuse_links(steps: Iterable[Path], place: Path) -> None:
    if link := next(filter(Path.is_symlink, steps), None):
        raise UserError(f"{link}: refused, it is a link; what is written must stay in {place}.")
