"""How a model is optimised: parameter groups, optimizer and schedule."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.modules import matching

_KEY = "lr_multiplier"


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


OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]
SchedulerFactory = Callable[[Optimizer], LRScheduler | ReduceLROnPlateau]
