"""What the finders of learning rate and batch size have in common."""

import sys
import warnings
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls.callbacks.run_folder import run_folder
from eurosat_cls.data.module import PatchDataModule, require_patches
from eurosat_cls.models.base import PatchModule
from eurosat_cls.utils.errors import UserError


class Finder(Callback):
    """Try something before a training, tell what was found, and train with it or leave.

    Args:
        apply: whether to train with what was found; else it is only told.
        folder: where the files go; the run folder when None.
        then_leave: end the training before its first step.
    """

    @abstractmethod
    def __init__(self, apply: bool = True, folder: str | None = None, then_leave: bool = False) -> None:
        self.apply, self.folder, self.then_leave = apply, folder, then_leave

    def needed(self, trainer: Trainer, module: LightningModule) -> tuple[PatchModule, PatchDataModule]:
        """Return model and data that can be worked with.

        Raises:
            UserError: for others.
        """
        name = type(self).__name__
        if not isinstance(module, PatchModule):
            raise UserError(f"{name} needs a Classifier or an AutoEncoder, got {type(module).__name__}.")
        return module, require_patches(getattr(trainer, "datamodule", None), name)

    def print_suggestion(self, text: str) -> None:
        """Print a result: to stdout for the command that asked for it, to stderr amid a training."""
        print(text, file=sys.stdout if self.then_leave else sys.stderr, flush=True)

    def target(self, trainer: Trainer) -> Path:
        """The folder for the files."""
        return Path(self.folder) if self.folder else run_folder(trainer)

    def write(self, files: Callable[[], list[Path]]) -> None:
        """Write the files and print their paths; a training goes on without them.

        Raises:
            UserError: when they cannot be written, and they were all that was asked for.
        """
        try:
            self.print_suggestion("written to " + ", ".join(map(str, files())))
        except UserError as error:
            if self.then_leave:
                raise
            warnings.warn(f"{type(self).__name__}: {error}", stacklevel=3)
