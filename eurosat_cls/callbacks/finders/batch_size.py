"""Find a batch size before a training, and train with it."""

import sys
import warnings
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer

from eurosat_cls.callbacks.finders.base import Finder
from eurosat_cls.callbacks.finders.batch_sizes import BatchSizes, Trial, check_batch_sizes, measure_batch_sizes
from eurosat_cls.callbacks.finders.files import write_batch_sizes
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.models.base import PatchModule
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.lightning_private import LeaveTraining
from eurosat_cls.utils.limits import COUNT, checked


class BatchSizeFinder(Finder):
    """Before a training, measure how fast batches of growing size train, and train with the recommended size.

    Sizes are doubled until memory or data end; see
    :func:`~eurosat_cls.callbacks.finders.batch_sizes.measure_batch_sizes`. The recommendation is the smallest
    batch within 5 % of the best rate. ``batch_size.png``, ``batch_size.json`` and ``batch_size.yaml`` go to the run
    folder. The training is the one that a configuration with this batch size gives,
    its schedule included. The learning rate stays; a :class:`~eurosat_cls.callbacks.LearningRateFinder` may follow. A
    training that goes on keeps the batch size with which it began.

    Args:
        smallest: batch size to begin with.
        largest: batch size to end with.
        shared: see :class:`~eurosat_cls.callbacks.finders.base.Finder`.

    Raises:
        UserError: for sizes that cannot be tried; when training starts, for a model or data of other packages, and on
            several devices.
    """

    def __init__(self, smallest: int = 8, largest: int = 4096, **shared: Any) -> None:
        super().__init__(**shared)
        check_batch_sizes(smallest, largest)
        self.smallest, self.largest = smallest, largest
        self.batch_size: int | None = None

    def state_dict(self) -> dict[str, Any]:
        """The size that the training began with."""
        return {"batch_size": self.batch_size}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up that size."""
        self.batch_size = checked(state_dict, {"batch_size": COUNT}, "BatchSizeFinder").get("batch_size")

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure, before loaders are made; a checkpoint to go on from has been read by now."""
        module, data = self.needed(trainer, pl_module)
        if trainer.world_size > 1:
            raise UserError("BatchSizeFinder works on one device; set trainer.devices to 1.")
        if self.batch_size is not None:
            self._set(trainer, self.batch_size)
        elif trainer.fast_dev_run or trainer.ckpt_path is not None:  # type: ignore[attr-defined]
            why = "a training that goes on keeps its batch size" if trainer.ckpt_path else "fast_dev_run is on"
            warnings.warn(f"BatchSizeFinder does nothing: {why}", stacklevel=2)
        else:
            self._find(trainer, module, data)

    def _find(self, trainer: Trainer, module: PatchModule, data: PatchDataModule) -> None:
        trials, ended = [], ""
        for result in measure_batch_sizes(trainer, module, data, self.smallest, self.largest):
            if isinstance(result, Trial):
                trials.append(result)
                print(_line(result), file=sys.stderr, flush=True)
            else:
                ended = result
        if module.compile_encoder is True:
            torch.compiler.reset()  # what was compiled for other sizes would be used again otherwise
        found = BatchSizes(trials, ended)
        self.print_suggestion(f"recommended batch size {found.recommended}, largest {found.largest} ({ended})")
        folder, device = self.target(trainer), trainer.strategy.root_device.type
        self.write(lambda: write_batch_sizes(found, data.batch_size, device, folder))
        if self.then_leave:
            raise LeaveTraining
        if self.apply:
            self.batch_size = found.recommended
            self._set(trainer, found.recommended)

    def _set(self, trainer: Trainer, size: int) -> None:
        """Serve batches of this size, and plan the schedule for as many steps as that makes."""
        trainer.datamodule.batch_size = size  # type: ignore[attr-defined]
        trainer.strategy.setup_optimizers(trainer)


def _line(trial: Trial) -> str:
    rate, memory = trial.images_per_second, trial.memory / 2**30
    return f"batch of {trial.batch_size}: {rate:.0f} images/s, {memory:.2f} GiB at the peak"
