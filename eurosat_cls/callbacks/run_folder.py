"""Where a run writes: its folder, and its TensorBoard loggers."""

from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger


def run_folder(trainer: Trainer) -> Path:
    """Return the folder of the run: what the command line chose, else where the logger writes."""
    chosen: Path | None = getattr(trainer, "run_folder", None)
    return chosen or Path(trainer.log_dir or trainer.default_root_dir)


def tensorboards(trainer: Trainer) -> list[TensorBoardLogger]:
    """Return the loggers of a trainer that write for TensorBoard."""
    return [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
