"""How a model is optimised: optimizer, schedule and parameter groups."""

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from eurosat_cls.config.factories import accepts, build, target_of
from eurosat_cls.metrics import Mode
from eurosat_cls.models.directions import contradiction
from eurosat_cls.optimizers import SAM
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.modules import matching

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]
SchedulerFactory = Callable[[Optimizer], LRScheduler | ReduceLROnPlateau]
_KEY = "lr_multiplier"


class OptimizedModule(LightningModule):
    """Optimise with an injected optimizer and schedule.

    The arguments are those of :class:`~eurosat_cls.models.classifier.Classifier` of that name.
    """

    def __init__(
        self,
        *,
        optimizer: OptimizerFactory | None,
        lr_scheduler: SchedulerFactory | None,
        lr_scheduler_interval: Literal["auto", "step", "epoch"],
        lr_scheduler_monitor: str | None,
        total_steps: int | None,
        lr_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.optimizer_factory, self.scheduler_factory = optimizer, lr_scheduler
        chosen = "step" if lr_scheduler is None else interval_of(target_of(lr_scheduler))
        self.lr_scheduler_interval = chosen if lr_scheduler_interval == "auto" else lr_scheduler_interval
        own = lr_scheduler.keywords.get("monitor") if isinstance(lr_scheduler, functools.partial) else None
        self.plateau_monitor = lr_scheduler_monitor or own or "val/loss"
        self.total_steps = total_steps
        self.lr_multipliers = dict(lr_multipliers or {})

    def configure_optimizers(self) -> Any:
        """Build the optimizer and, where configured, its scheduler.

        Raises:
            UserError: for what cannot be built, or goes with the trainer's settings as little as SAM with accumulation.
        """
        groups = parameter_groups(self, self.lr_multipliers) if self.lr_multipliers else self.parameters()
        if self.optimizer_factory is None:
            optimizer: Optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
        else:
            optimizer = build("optimizer", self.optimizer_factory, groups)
        if isinstance(optimizer, SAM) and self._trainer is not None and self.trainer.accumulate_grad_batches > 1:
            raise UserError("trainer.accumulate_grad_batches: SAM needs 1; raise data.batch_size instead.")
        keep_multipliers(optimizer)
        if self.scheduler_factory is None:
            return optimizer
        planned: dict[str, Any] = {"total_steps": self.planned_steps()} if self.accepts_total_steps() else {}
        scheduler = build("lr_scheduler", self.scheduler_factory, optimizer, **planned, **self._plateau_mode())
        config: dict[str, Any] = {"scheduler": scheduler, "interval": self.lr_scheduler_interval}
        if isinstance(scheduler, ReduceLROnPlateau):
            config |= {"interval": "epoch", "monitor": self.plateau_monitor}
        return {"optimizer": optimizer, "lr_scheduler": config}

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip gradients, those of a fused optimizer too, which Lightning refuses in any mixed precision.

        Raises:
            UserError: for a fused optimizer in float16, whose gradients are scaled until it has used them.
        """
        plugin = self.trainer.precision_plugin
        fused = getattr(optimizer, "_step_supports_amp_scaling", False)
        if not (gradient_clip_val and fused and isinstance(plugin, MixedPrecision)):
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
            return
        if plugin.scaler is not None:
            raise UserError("trainer.gradient_clip_val: in 16-mixed it needs an optimizer with `fused: false`.")
        kind = GradClipAlgorithmType(gradient_clip_algorithm or "norm")
        Precision.clip_gradients(plugin, optimizer, gradient_clip_val, kind)

    def lr_scheduler_step(self, scheduler: Any, metric: Any | None) -> None:
        """Step a schedule, and tell in a line when it has come to its end before the training.

        Raises:
            UserError: then.
        """
        try:
            super().lr_scheduler_step(scheduler, metric)
        except ValueError as error:
            raise UserError(f"model.lr_scheduler: {type(scheduler).__name__}: {error}") from error

    def known_mode(self, monitor: str) -> Mode | None:
        """Return whether more or less of a logged name is better, where that is known."""
        return None

    def _plateau_mode(self) -> dict[str, str]:
        """Return the direction for a plateau scheduler that is given none.

        Raises:
            UserError: for one that contradicts its metric.
        """
        factory: Any = self.scheduler_factory
        if not (inspect.isclass(kind := target_of(factory)) and issubclass(kind, ReduceLROnPlateau)):
            return {}
        given = factory.keywords.get("mode") if isinstance(factory, functools.partial) else None
        known = self.known_mode(self.plateau_monitor)
        if said := contradiction(self.plateau_monitor, known, given):
            raise UserError(f"model.lr_scheduler: mode {said}")
        return {"mode": known} if known else {}

    def accepts_total_steps(self) -> bool:
        """Whether the schedule is planned for a number of steps."""
        return self.scheduler_factory is not None and accepts(self.scheduler_factory, "total_steps")

    def planned_steps(self) -> int:
        """Scheduler steps of the whole training."""
        if self.total_steps is not None:
            return self.total_steps
        epochs = self.trainer.max_epochs or -1
        if self.lr_scheduler_interval == "epoch" and epochs > 0:
            return epochs
        batches = getattr(getattr(self.trainer, "datamodule", None), "train_batches", None)
        if batches is None or epochs < 0:
            steps = self.trainer.estimated_stepping_batches
            if math.isinf(steps):
                raise UserError(
                    "model.lr_scheduler: it is planned for the steps of the whole training, which has no end: set "
                    "trainer.max_epochs, trainer.max_steps or model.total_steps, or take another schedule."
                )
            return int(steps)
        limit = self.trainer.limit_train_batches
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        if batches == 0:
            raise UserError(f"trainer.limit_train_batches: {limit} leaves no training batch of an epoch.")
        steps = epochs * -(-batches // self.trainer.accumulate_grad_batches)
        return min(steps, self.trainer.max_steps) if self.trainer.max_steps > 0 else steps


def interval_of(schedule: Callable[..., Any]) -> Literal["step", "epoch"]:
    """Return what a class of schedules counts: steps where it is planned for a number of them, else epochs.

    Example:
        >>> interval_of(torch.optim.lr_scheduler.OneCycleLR), interval_of(torch.optim.lr_scheduler.StepLR)
        ('step', 'epoch')
    """
    return "step" if "total_steps" in inspect.signature(schedule).parameters else "epoch"


def parameter_groups(network: nn.Module, multipliers: Mapping[str, float]) -> list[dict[str, Any]]:
    """Divide the parameters by their multiplier, in the form that optimizers take.

    Args:
        network: whose modules are named.
        multipliers: by module name or pattern; where several match, the longest pattern wins. All others have 1.

    Raises:
        UserError: for a pattern that matches nothing, or a multiplier that is negative or no number.
    """
    multiplier_of: dict[int, float] = {}
    for pattern, multiplier in sorted(multipliers.items(), key=lambda item: len(item[0])):
        if not (math.isfinite(multiplier) and multiplier >= 0):
            raise UserError(f"lr_multipliers: {pattern} has {multiplier}; give a number of at least 0.")
        for module in matching(network, pattern, "lr_multipliers").values():
            multiplier_of |= {id(parameter): float(multiplier) for parameter in module.parameters()}
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in network.parameters():
        groups.setdefault(multiplier_of.get(id(parameter), 1.0), []).append(parameter)
    return [{"params": parameters, _KEY: multiplier} for multiplier, parameters in groups.items()]


def keep_multipliers(optimizer: Optimizer) -> None:
    """Multiply the learning rate of each group during every step, whatever a scheduler sets it to in between."""
    if all(group.get(_KEY, 1.0) == 1.0 for group in optimizer.param_groups):
        return
    planned: list[float] = []

    def before(optimizer: Optimizer, *_: Any) -> None:
        planned[:] = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * group[_KEY]

    def after(optimizer: Optimizer, *_: Any) -> None:
        for group, learning_rate in zip(optimizer.param_groups, planned, strict=True):
            group["lr"] = learning_rate

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(after)
