"""Find a learning rate before a training, and train with it."""

import warnings
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls.callbacks.finders.apply import set_rates
from eurosat_cls.callbacks.finders.base import Finder
from eurosat_cls.callbacks.finders.files import describe_range_test, write_range_test
from eurosat_cls.callbacks.finders.learning_rate_range import RangeTest, check_range, range_test
from eurosat_cls.callbacks.freeze import Freeze
from eurosat_cls.models.base import PatchModule
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.lightning_private import LeaveTraining
from eurosat_cls.utils.limits import NUMBER, Kind, checked

_RATES = Kind(
    "two rates", lambda value: isinstance(value, list | tuple) and len(value) == 2 and all(map(NUMBER.fits, value))
)


class LearningRateFinder(Finder):
    """Before the first epoch, run a learning-rate range test, and train with the learning rate that it suggests.

    The test takes training steps on the very model, loss, data, augmentation, precision and optimizer, with a learning
    rate that grows from step to step, and undoes them; see
    :mod:`~eurosat_cls.callbacks.finders.learning_rate_range` for how the suggestion is computed. ``lr_find.png``,
    ``lr_find.json`` and ``lr_find.yaml`` go to the run folder. The learning rate of the steepest descent becomes
    that of the optimizer, and the highest one that the loss bears the ``max_lr`` of a schedule that has one: the
    training is the one that a configuration with these values gives. A training that goes on keeps what was
    found when it began.

    Args:
        min_lr: learning rate of the first step.
        max_lr: learning rate of the last step; the test ends earlier when the loss diverges.
        steps: steps of the test.
        shared: see :class:`~eurosat_cls.callbacks.finders.base.Finder`.

    Raises:
        UserError: for a range that cannot be tested; when training starts, for a model or data of other packages.
    """

    def __init__(self, min_lr: float = 1e-6, max_lr: float = 1.0, steps: int = 200, **shared: Any) -> None:
        super().__init__(**shared)
        check_range(min_lr, max_lr, steps)
        self.min_lr, self.max_lr, self.steps = min_lr, max_lr, steps
        self.rates: tuple[float, float] | None = None  # of the steepest descent, and the highest
        self._done = False

    def state_dict(self) -> dict[str, Any]:
        """What was found, so that a training that goes on does not look again."""
        return {"done": self._done, "rates": self.rates}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what was found."""
        found = checked(state_dict, {"rates": _RATES}, "LearningRateFinder")
        self._done, self.rates = bool(found.get("done")), found.get("rates")

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what cannot be tested."""
        module, _ = self.needed(trainer, pl_module)
        if self._done and self.apply and self.rates is not None:
            # What goes on has the rates, but is configured without.
            set_rates(module, trainer.optimizers[0], *self.rates)
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        if any(isinstance(other, Freeze) for other in callbacks[callbacks.index(self) :]):
            raise UserError("trainer.callbacks: put LearningRateFinder after Freeze, or it would test the whole model.")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Run the test, once."""
        if self._done:
            return
        self._done = True
        if trainer.fast_dev_run or trainer.global_step:  # type: ignore[attr-defined]
            why = "a training that goes on keeps its learning rate" if trainer.global_step else "fast_dev_run is on"
            warnings.warn(f"LearningRateFinder does nothing: {why}", stacklevel=2)
            return
        module, data = self.needed(trainer, pl_module)
        found = range_test(trainer, module, data, self.min_lr, self.max_lr, self.steps)
        if found.steepest is not None and found.highest is not None:
            self.rates = (found.steepest, found.highest)
        self._write(trainer, module, found)
        if self.then_leave:
            raise LeaveTraining
        if self.apply and self.rates is not None:
            set_rates(module, trainer.optimizers[0], *self.rates)
            trainer.strategy.setup_optimizers(trainer)

    def _write(self, trainer: Trainer, module: PatchModule, found: RangeTest) -> None:
        """Print and write what was found, in the first process."""
        if not trainer.is_global_zero:
            return
        folder = self.target(trainer)
        self.print_suggestion(describe_range_test(found, module))
        self.write(lambda: write_range_test(found, module, trainer.optimizers[0], folder))
        if found.steepest is None and self.then_leave:
            raise UserError(
                f"No learning rate to suggest: look at {folder}/lr_find.png, try another range or more steps."
            )
