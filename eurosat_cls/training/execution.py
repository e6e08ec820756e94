"""Settle what a configuration leaves to the machine: precision, memory format and compiling."""

from typing import Any

import torch

from eurosat_cls.models.base import PatchModule
from eurosat_cls.training import machine
from eurosat_cls.utils.distributed import say


def settle(model: Any, data: Any, config: Any, checkpoint: dict[str, Any] | None, training: bool) -> machine.Execution:
    """Turn every ``auto`` into a choice, in the model and in the configuration that is saved.

    Args:
        model: as built from the configuration.
        data: likewise.
        config: of the subcommand; its ``trainer`` and ``model`` are changed.
        checkpoint: what is continued or evaluated, if anything.
        training: whether a whole training follows, which compiling has to pay for.

    Raises:
        UserError: for a precision that the device does not have.
    """
    device = machine.device_of(config.trainer.accelerator)
    machine.check_precision(config.trainer.precision, device)
    if not isinstance(model, PatchModule):
        precision = "32-true" if config.trainer.precision == "auto" else str(config.trainer.precision)
        return machine.Execution(precision, "contiguous", False, {})
    if checkpoint is not None:
        _take_saved(model, config, checkpoint, device)
    shape = (data.batch_size, *data.patch_shape)
    planned = len(data.split.train) * (config.trainer.max_epochs or 0) if training else 0
    execution = machine.choose(
        model, shape, device, config.trainer.precision or "32-true", model.memory_format, model.compile_encoder, planned
    )
    model.set_execution(execution.memory_format, execution.compile)
    config.trainer.precision = execution.precision
    config.model.init_args.memory_format = execution.memory_format
    config.model.init_args.compile = execution.compile
    say(f"running with {execution}")
    return execution


def _take_saved(model: PatchModule, config: Any, checkpoint: dict[str, Any], device: torch.device) -> None:
    """Let ``auto`` be what it was in the run that is continued or evaluated, where this machine can do it."""
    saved = checkpoint.get("execution", {})
    if config.trainer.precision == "auto" and machine.can_run(saved.get("precision"), device):
        config.trainer.precision = saved["precision"]
    memory_format, compiled = model.memory_format, model.compile_encoder
    model.set_execution(
        saved.get("memory_format", memory_format) if memory_format == "auto" else memory_format,
        saved.get("compile", compiled) if compiled == "auto" else compiled,
    )
