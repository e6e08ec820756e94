"""Keep parts of a network as they are, for a while or for good."""

from collections.abc import Mapping

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD, Optimizer

from eurosat_cls.models.resume import within_epoch
from eurosat_cls.utils.distributed import rank_zero_print
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.modules import matching


class Freeze(Callback):
    """Freeze modules by name, and thaw them again at given epochs.

    Frozen parameters get no gradient and no weight decay; frozen batch normalisation uses and keeps its statistics.

    Args:
        modules: by module name or pattern (``encoder``, ``encoder.stages.[0-3]``), the epoch, from 0, at whose start it
            is thawed, or null for never. Where several match, the latest wins.

    Raises:
        UserError: for an epoch below 1; when training starts, for a pattern that matches nothing.
    """

    def __init__(self, modules: Mapping[str, int | None]) -> None:
        for name, epoch in modules.items():
            if epoch is not None and epoch < 1:
                raise UserError(f"Freeze: {name} would be thawed at epoch {epoch}; give an epoch from 1, or null.")
        self.modules = dict(modules)
        self._frozen: list[nn.Module] | None = None
        self._trainable: list[nn.Parameter] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the patterns before anything is trained."""
        for pattern in self.modules:
            matching(pl_module, pattern, "Freeze.modules")
        if isinstance(trainer.model, DistributedDataParallel) and not trainer.model.find_unused_parameters:
            raise UserError("Freeze: several processes need trainer.strategy: ddp_find_unused_parameters_true.")
        self._trainable = [parameter for parameter in pl_module.parameters() if parameter.requires_grad]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Freeze again what an epoch keeps that is gone on with."""
        if within_epoch(trainer):
            self._freeze(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Freeze what this epoch keeps, and thaw the rest."""
        self._freeze(trainer, pl_module)

    def _freeze(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch
        kept = [pattern for pattern, until in self.modules.items() if until is None or epoch < until]
        frozen = [module for pattern in kept for module in matching(pl_module, pattern, "Freeze.modules").values()]
        still = {id(parameter) for module in frozen for parameter in module.parameters()}
        for parameter in self._trainable:
            parameter.requires_grad_(id(parameter) not in still)
            if id(parameter) in still:
                parameter.grad = None
        for optimizer in trainer.optimizers:
            _give_momentum(optimizer)
        asleep = {id(part) for module in frozen for part in module.modules()}
        for part in pl_module.modules():
            if isinstance(part, _BatchNorm):
                part.train(id(part) not in asleep)
        if self._frozen is None or len(frozen) != len(self._frozen):
            count = sum(parameter.numel() for parameter in self._trainable if parameter.requires_grad)
            names = ", ".join(kept) if kept else "nothing"
            rank_zero_print(f"epoch {epoch + 1}: {names} frozen, {count:,} parameters are trained")
        self._frozen = frozen
        if not any(parameter.requires_grad for parameter in self._trainable):
            raise UserError("Freeze.modules: every parameter is frozen, so there is nothing to train.")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give every parameter back as it was."""
        for parameter in self._trainable:
            parameter.requires_grad_(True)


def _give_momentum(optimizer: Optimizer) -> None:
    """Start the momentum of parameters that are thawed at zero.

    torch does so itself at a parameter's first step, but its fused SGD takes no group in which some have momentum and
    others have none (version 2.15).
    """
    for group in optimizer.param_groups if isinstance(optimizer, SGD) else ():
        states = [(parameter, optimizer.state[parameter]) for parameter in group["params"] if parameter.requires_grad]
        if group["fused"] and any(state.get("momentum_buffer") is not None for _, state in states):
            for parameter, state in states:
                if state.get("momentum_buffer") is None:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
