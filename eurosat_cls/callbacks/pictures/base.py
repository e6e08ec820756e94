"""What callbacks that draw have in common."""

import warnings
from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls.analysis.plots.files import pixels_of, write_png
from eurosat_cls.callbacks.run_folder import run_folder, tensorboards
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.utils.configurable import Configurable
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import writing

if TYPE_CHECKING:  # matplotlib is loaded when something is drawn
    from matplotlib.figure import Figure

Stage = Literal["val", "test"]


class PlotCallback(Callback, Configurable):
    """Draw something from what a classifier said of every patch of a validation or a test.

    Nothing is drawn in the check before a training, nor by a process other than the first. A picture that cannot be
    written or drawn is a warning: it is no reason to lose a training.

    Args:
        every_n_epochs: draw after every so many validations of a training, beginning with the first; and always after
            the last one. None means after the last one only.
    """

    def __init__(self, every_n_epochs: int | None = None) -> None:
        if every_n_epochs is not None and every_n_epochs < 1:
            raise UserError(f"{type(self).__name__}: every_n_epochs must be at least 1, got {every_n_epochs}.")
        self.every_n_epochs = every_n_epochs
        self._drawn: int | None = None  # epoch of the training's last picture

    @abstractmethod
    def draw(self, trainer: Trainer, module: Classifier, stage: Stage, epoch_outputs: EpochOutputs) -> None:
        """Draw what was said, with :func:`save_picture`; called in the first process only."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the validation, in a training when it is due."""
        if trainer.state.fn == "validate":
            self._draw(trainer, pl_module, "val")
        elif not trainer.sanity_checking and self.every_n_epochs and trainer.current_epoch % self.every_n_epochs == 0:
            self._drawn = trainer.current_epoch
            self._draw(trainer, pl_module, "val")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the last validation."""
        if self._drawn is None or self._drawn < trainer.current_epoch - 1:
            self._draw(trainer, pl_module, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the test."""
        self._draw(trainer, pl_module, "test")

    def _draw(self, trainer: Trainer, module: LightningModule, stage: Stage) -> None:
        if not isinstance(module, Classifier):
            return
        scores = module.val_scores if stage == "val" else module.test_scores
        if not scores.outputs.update_called:
            return  # a training that ended before its first validation
        epoch_outputs = scores.epoch_outputs()  # brings together what all processes have, so all must call it
        if not trainer.is_global_zero or not len(epoch_outputs.indices):
            return
        try:
            self.draw(trainer, module, stage, epoch_outputs)
        except UserError as error:
            warnings.warn(f"{type(self).__name__}: {error}", stacklevel=3)


def save_picture(trainer: Trainer, name: str, picture: "Figure | np.ndarray", group: str = "pictures") -> None:
    """Write a picture as ``<name>.png`` into the run folder, and log it to TensorBoard as ``<group>/<name>``.

    Its step is that of the weights, be they those of a checkpoint that is tested. A trainer with a mapping ``figures``
    gets it there, too.

    Raises:
        UserError: when the file cannot be written.
    """
    pixels = pixels_of(picture)
    if (figures := getattr(trainer, "figures", None)) is not None:
        from eurosat_cls.utils.figures import figure_of

        figures[name] = figure_of(picture) if isinstance(picture, np.ndarray) else picture
    path = run_folder(trainer) / f"{name}.png"
    with writing(path):
        write_png(path, pixels)
    loaded = getattr(trainer.lightning_module, "loaded_steps", None)
    step = trainer.global_step if loaded is None else loaded
    for logger in tensorboards(trainer):
        logger.experiment.add_image(f"{group}/{name}", pixels, step, dataformats="HWC")
