"""Find a learning rate before a training, and train with it."""

import sys
import warnings
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import _TunerExitException

from eurosat_cls.base import PatchModule
from eurosat_cls.callbacks.freeze import Freeze
from eurosat_cls.callbacks.picture import run_folder
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.errors import UserError
from eurosat_cls.find.apply import set_rates
from eurosat_cls.find.learning_rate import describe_range_test, write_range_test
from eurosat_cls.find.range_test import RangeTest, check_range, range_test


class LearningRateFinder(Callback):
    """Before the first epoch, run a learning-rate range test, and train with the learning rate that it suggests.

    The test takes training steps on the very model, loss, data, augmentation, precision and optimizer, with a learning
    rate that grows from step to step, and undoes them; see :func:`~eurosat_cls.find.range_test.range_test`, and
    :func:`~eurosat_cls.find.range_test.analyse` for how the suggestion is computed. ``lr_find.png``, ``lr_find.json``
    and ``lr_find.yaml`` go to the run folder. The learning rate of the steepest descent becomes that of the optimizer,
    and the highest one that the loss bears the ``max_lr`` of a schedule that has one: the training is the one that a
    configuration with these values gives. A training that goes on
    keeps what was found when it began.

    Args:
        min_lr: learning rate of the first step.
        max_lr: learning rate of the last step; the test ends earlier when the loss diverges.
        steps: steps of the test.
        apply: whether to train with the suggestion; else it is only told.
        folder: where the files go; the run folder when None.
        then_leave: end the training before its first step.

    Raises:
        UserError: for a range that cannot be tested; when training starts, for a model or data of other packages.
    """

    def __init__(
        self,
        min_lr: float = 1e-6,
        max_lr: float = 1.0,
        steps: int = 200,
        apply: bool = True,
        folder: str | None = None,
        then_leave: bool = False,
    ) -> None:
        check_range(min_lr, max_lr, steps)
        self.min_lr, self.max_lr, self.steps = min_lr, max_lr, steps
        self.apply, self.folder, self.then_leave = apply, folder, then_leave
        self.rates: tuple[float, float] | None = None  # of the steepest descent, and the highest
        self._done = False

    def state_dict(self) -> dict[str, Any]:
        """What was found, so that a training that goes on does not look again."""
        return {"done": self._done, "rates": self.rates}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what was found."""
        self._done, self.rates = state_dict["done"], state_dict["rates"]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what cannot be tested."""
        finder_needs("LearningRateFinder", trainer, pl_module)
        assert isinstance(pl_module, PatchModule)
        if (
            self._done and self.apply and self.rates is not None
        ):  # what goes on has the rates, but is configured without
            set_rates(pl_module, trainer.optimizers[0], *self.rates)
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        if any(isinstance(other, Freeze) for other in callbacks[callbacks.index(self) :]):
            raise UserError("trainer.callbacks: put LearningRateFinder after Freeze, or it would test the whole model.")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Run the test, once."""
        assert isinstance(pl_module, PatchModule)
        if self._done:
            return
        self._done = True
        if trainer.fast_dev_run or trainer.global_step:  # type: ignore[attr-defined]
            why = "a training that goes on keeps its learning rate" if trainer.global_step else "fast_dev_run is on"
            warnings.warn(f"LearningRateFinder does nothing: {why}", stacklevel=2)
            return
        data: PatchDataModule = trainer.datamodule  # type: ignore[attr-defined]
        found = range_test(trainer, pl_module, data, self.min_lr, self.max_lr, self.steps)
        if found.steepest is not None and found.highest is not None:
            self.rates = (found.steepest, found.highest)
        self._tell(trainer, pl_module, found)
        if self.then_leave:
            raise _TunerExitException
        if self.apply and self.rates is not None:
            set_rates(pl_module, trainer.optimizers[0], *self.rates)
            trainer.strategy.setup_optimizers(trainer)

    def _tell(self, trainer: Trainer, module: PatchModule, found: RangeTest) -> None:
        """Print and write what was found, in the first process."""
        if not trainer.is_global_zero:
            return
        told = sys.stdout if self.then_leave else sys.stderr
        folder = Path(self.folder) if self.folder else run_folder(trainer)
        print(describe_range_test(found, module), file=told, flush=True)
        try:
            paths = write_range_test(found, module, trainer.optimizers[0], folder)
            print("written to " + ", ".join(map(str, paths)), file=told, flush=True)
        except UserError as error:
            if self.then_leave:
                raise
            warnings.warn(f"LearningRateFinder: {error}", stacklevel=2)
        if found.steepest is None and self.then_leave:
            raise UserError(
                f"No learning rate to suggest: look at {folder}/lr_find.png, try another range or more steps."
            )


def finder_needs(name: str, trainer: Trainer, module: LightningModule) -> None:
    """Refuse a model or data that a finder cannot work with.

    Raises:
        UserError: naming the finder.
    """
    if not isinstance(module, PatchModule):
        raise UserError(f"{name} needs a Classifier or an AutoEncoder, got {type(module).__name__}.")
    if not isinstance(getattr(trainer, "datamodule", None), PatchDataModule):
        raise UserError(f"{name} needs a data module of patches, as those of eurosat_cls.data are.")
