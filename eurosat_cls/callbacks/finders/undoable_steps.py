"""Train for some steps inside a trainer that is set up to fit, and leave no trace of them.

Lightning's own Tuner runs its training loop with a checkpoint file in the working folder to come back to. It leaves
behind what a checkpoint does not hold (metrics, the position in the data, the callbacks' view of the epoch), so the
steps here are taken outside of that loop, through the same strategy and precision.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import Metric, MetricCollection

from eurosat_cls.data.batch import Batch
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.models.base import PatchModule
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.lightning_private import (
    collect_rng_states,
    move_batch,
    prepare_loader,
    set_rng_states,
    set_sampler_epoch,
)


class UndoableSteps:
    """Take training steps as the trainer would: its precision, augmentation, clipping and accumulation.

    Args:
        trainer: set up to fit; between the start of ``fit`` and its first batch.
        module: what it trains.
        optimizer: of the module's parameters.
    """

    def __init__(self, trainer: Trainer, module: PatchModule, optimizer: Optimizer) -> None:
        self.trainer, self.module, self.optimizer = trainer, module, optimizer
        self._steps = 0

    def batches(self, data: PatchDataModule, limit: float = float("inf")) -> Iterator[Batch]:
        """Yield training batches on the device, augmented, for ever; those of the coming epoch first.

        The data make a loader for this, of at most ``limit`` batches an epoch; the trainer's own is not touched.
        """
        trainer = self.trainer
        loader = prepare_loader(trainer, data.train_dataloader())
        epoch = trainer.current_epoch
        while True:
            set_sampler_epoch(loader, epoch)
            for number, batch in enumerate(loader):
                if number >= limit:
                    break
                yield move_batch(trainer, self.module, batch)
            epoch += 1

    def step(self, batches: Sequence[Batch]) -> float:
        """Train on these batches, whose gradients are accumulated, for one step; return their mean loss."""
        losses: list[Tensor] = []

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            for batch in batches:
                loss: Any = self.trainer.strategy.training_step(batch, self._steps)
                self.trainer.strategy.backward(loss / len(batches), self.optimizer)
                losses.append(loss.detach())
            return torch.stack(losses).mean()

        self.trainer.strategy.optimizer_step(self.optimizer, closure, model=self.module)
        self._steps += 1
        mean = torch.stack(losses).mean()
        return float(self.trainer.strategy.reduce(mean, reduce_op="mean"))

    def set_rate(self, learning_rate: float) -> None:
        """Choose the learning rate of the next step; multipliers of single modules stay in force."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate


@contextmanager
def undoable_steps(trainer: Trainer, module: PatchModule) -> Iterator[UndoableSteps]:
    """Yield what takes steps, with an optimizer of its own; afterwards everything is as it was found.

    That is: weights, buffers (statistics of batch normalisation among them), gradients, training flags, metrics, the
    trainer's optimizer, schedule, loops and loggers, the scale of half-precision gradients, and the random state of
    torch on every device, numpy and Python. Callbacks and loggers do not notice the steps.

    Raises:
        UserError: for a module with several optimizers.
    """
    optimizer = _new_optimizer(module)
    with _randomness_kept(), _unnoticed(trainer, module), _metrics_kept(module), _tensors_kept(module):
        yield UndoableSteps(trainer, module, optimizer)


def _new_optimizer(module: PatchModule) -> Optimizer:
    """Build a second optimizer as the configuration says; the schedule that may come with it is not stepped."""
    made = module.configure_optimizers()
    made = made["optimizer"] if isinstance(made, dict) else made
    if not isinstance(made, Optimizer):
        raise UserError(f"{type(module).__name__} has no single optimizer, so no setting of it can be looked for.")
    return made


@contextmanager
def _randomness_kept() -> Iterator[None]:
    """Put the random state back, also after an error; Lightning's ``isolate_rng`` does so only after success."""
    states = collect_rng_states()
    try:
        yield
    finally:
        set_rng_states(states)


@contextmanager
def _unnoticed(trainer: Trainer, module: PatchModule) -> Iterator[None]:
    """Let no callback hear of a step, nothing be logged, and the gradients' scale stay."""
    callbacks, trainer.callbacks = trainer.callbacks, []  # type: ignore[attr-defined]
    plugin: Any = trainer.precision_plugin
    scaler = getattr(plugin, "scaler", None)
    if scaler is not None:
        plugin.scaler = copy.deepcopy(scaler)
    for name in ("log", "log_dict"):
        object.__setattr__(module, name, _log_nothing)
    try:
        yield
    finally:
        for name in ("log", "log_dict"):
            object.__delattr__(module, name)
        if scaler is not None:
            plugin.scaler = scaler
        trainer.callbacks = callbacks  # type: ignore[attr-defined]


def _log_nothing(*args: Any, **kwargs: Any) -> None:
    pass


@contextmanager
def _metrics_kept(module: nn.Module) -> Iterator[None]:
    """Put copies in the place of metrics, whose state is not in buffers."""
    kept = list(_metrics(module))
    for parent, name, metric in kept:
        parent._modules[name] = copy.deepcopy(metric)
    try:
        yield
    finally:
        for parent, name, metric in kept:
            parent._modules[name] = metric


def _metrics(parent: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    for name, child in parent._modules.items():
        if isinstance(child, (Metric, MetricCollection)):
            yield parent, name, child
        elif child is not None:
            yield from _metrics(child)


@contextmanager
def _tensors_kept(module: nn.Module) -> Iterator[None]:
    """Put parameters, buffers, gradients and training flags back."""
    tables: list[tuple[Any, dict[str, Tensor | None]]]
    tables = [(table, dict(table)) for part in module.modules() for table in (part._parameters, part._buffers)]
    tensors = {id(t): t for _, entries in tables for t in entries.values() if t is not None}
    values = {key: tensor.detach().clone() for key, tensor in tensors.items()}
    gradients = {key: tensor.grad for key, tensor in tensors.items() if isinstance(tensor, nn.Parameter)}
    flags = [(part, part.training) for part in module.modules()]
    for key in gradients:
        tensors[key].grad = None
    try:
        yield
    finally:
        with torch.no_grad():
            for key, tensor in tensors.items():
                tensor.copy_(values[key])
        for key, gradient in gradients.items():
            tensors[key].grad = gradient
        for table, entries in tables:
            table.clear()
            table.update(entries)
        for part, flag in flags:
            part.training = flag
