"""The private parts of Lightning that this package leans on, each with its reason, as they are in Lightning 2.6.6.

`setup.cfg` holds Lightning below 2.7 for them. Private methods that a class of this package overrides stand with their
class: ``Trainer._run`` and ``._run_stage`` in `training/trainer.py`; ``LightningCLI._prepare_subcommand_parser``,
``._prepare_subcommand_kwargs`` and ``._run_subcommand`` in `cli/application.py`.
"""

from typing import Any

from lightning.fabric.connector import _PRECISION_INPUT as PRECISION_INPUT  # type: ignore[attr-defined]
from lightning.fabric.utilities.data import _set_sampler_epoch as set_sampler_epoch
from lightning.fabric.utilities.seed import _collect_rng_states as collect_rng_states
from lightning.fabric.utilities.seed import _set_rng_states as set_rng_states
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.loops.loop import _Loop
from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector
from lightning.pytorch.trainer.states import RunningStage
from lightning.pytorch.utilities.exceptions import _TunerExitException as LeaveTraining

# PRECISION_INPUT: the words of Trainer's precision, for the parser. LeaveTraining: what ends `fit` without a trace, as
# Lightning's own tuners do. Both and the functions below that are only renamed have no public counterpart.
__all__ = ["PRECISION_INPUT", "LeaveTraining", "collect_rng_states", "set_rng_states", "set_sampler_epoch"]


class _NoSignals(_SignalConnector):
    """Registers no handlers."""

    def register_signal_handlers(self) -> None:
        """Do nothing."""


def leave_signals(trainer: Trainer) -> None:
    """Leave signals to those who save a training first, as :class:`~eurosat_cls.callbacks.Checkpoints` does.

    Lightning's handlers talk to the other processes and, under SLURM, save, at whatever moment a signal comes.
    """
    trainer._signal_connector = _NoSignals(trainer)


def start_next_epoch(trainer: Trainer) -> None:
    """Take a checkpoint for one from the end of an epoch, in all loops.

    With max_steps Lightning takes every checkpoint for one from within an epoch, and would end the epoch again.
    """
    _Loop.restarting.fset(trainer.fit_loop, False)  # type: ignore[attr-defined]


def end_epoch_as_others(trainer: Trainer) -> None:
    """Let an epoch that was resumed end as others do: Lightning would not tell a plateau scheduler of it."""
    trainer.fit_loop._restarting = False


def validates_next(trainer: Trainer) -> bool:
    """Whether a validation follows the present training batch, or there is no telling: only the loop itself knows."""
    fetcher = trainer.fit_loop._data_fetcher
    return fetcher is None or trainer.fit_loop.epoch_loop._should_check_val_fx(fetcher)


def prepare_loader(trainer: Trainer, loader: Any) -> Any:
    """Return a training loader as ``fit`` would use it; the trainer's own is not touched."""
    return trainer._data_connector._prepare_dataloader(loader, shuffle=True, mode=RunningStage.TRAINING)


def move_batch(trainer: Trainer, module: LightningModule, batch: Any) -> Any:
    """Return a batch on the device, after all hooks that ``fit`` calls on the way."""
    batch = module._on_before_batch_transfer(trainer.precision_plugin.convert_input(batch), dataloader_idx=0)
    return trainer.strategy.batch_to_device(batch, dataloader_idx=0)


def add_summary(logger: TensorBoardLogger, summary: Any) -> None:
    """Write a summary into the run's own file: ``add_hparams`` would make a further run of it."""
    logger.experiment._get_file_writer().add_summary(summary)
