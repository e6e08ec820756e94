"""The learning-rate range test: train while the learning rate grows from step to step, and look at the loss."""

import math
from contextlib import nullcontext
from itertools import islice
from statistics import median
from typing import NamedTuple

import numpy as np
from lightning.pytorch import Trainer

from eurosat_cls.callbacks.finders.undoable_steps import undoable_steps
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.models.base import PatchModule
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.progress import progress

DIVERGED = 4.0  # the test ends when the loss is this many times its lowest
HIGHEST = 10.0  # times the learning rate of the steepest descent
FEWEST = 10  # steps that a slope can be told from


class RangeTest(NamedTuple):
    """What a range test has seen.

    Attributes:
        rates: ``[n]`` learning rates.
        losses: ``[n]`` training losses, each before its step.
        smoothed: ``[n]`` losses without their noise.
        slopes: ``[n]`` change of the loss by a tenfold learning rate.
        steepest: the learning rate at which the loss fell fastest: one to train with all along, or to lower from. None
            where the loss did not fall.
        highest: the highest learning rate at which the loss was no worse than there: one that a schedule may rise to.
        diverged: whether the test ended before its last step because the loss grew out of bounds.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    slopes: np.ndarray
    steepest: float | None
    highest: float | None
    diverged: bool

    @property
    def lowest(self) -> float:
        """The learning rate at which the smoothed loss was lowest."""
        return float(self.rates[np.argmin(self.smoothed)])


def check_range(min_lr: float, max_lr: float, steps: int) -> None:
    """Refuse a range that cannot be tested.

    Raises:
        UserError: naming the setting.
    """
    if not (0 < min_lr < max_lr < math.inf):
        raise UserError(f"The range of learning rates needs 0 < min_lr < max_lr; got {min_lr:g} to {max_lr:g}.")
    if steps < FEWEST:
        raise UserError(f"A range test of {steps} steps tells nothing; give steps of at least {FEWEST}.")


def range_test(
    trainer: Trainer, module: PatchModule, data: PatchDataModule, min_lr: float, max_lr: float, steps: int
) -> RangeTest:
    """Train with learning rates that grow exponentially, until the last one or until the loss diverges.

    Everything is as it was found afterwards, see :func:`~eurosat_cls.callbacks.finders.undoable_steps.undoable_steps`.

    Raises:
        UserError: when the loss is no number in the first steps already.

    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017.
    """
    rates = np.geomspace(min_lr, max_lr, steps)
    losses: list[float] = []
    shown = progress(steps, "learning-rate range test") if trainer.is_global_zero else nullcontext(_no_progress)
    with undoable_steps(trainer, module) as trial, shown as advance:
        batches = trial.batches(data, trainer.num_training_batches)
        for rate in rates:
            trial.set_rate(float(rate))
            losses.append(trial.step(list(islice(batches, trainer.accumulate_grad_batches))))
            advance(1)
            if _diverged(losses):
                break
    seen = [loss for loss in losses if math.isfinite(loss)]
    if len(seen) < FEWEST:
        raise UserError(
            f"The training loss was out of bounds after {len(losses)} steps, at a learning rate of "
            f"{rates[len(losses) - 1]:.2g}: give a lower min_lr, or look at the images."
        )
    return analyse(rates[: len(seen)], np.array(seen), _diverged(losses))


def _no_progress(steps: int) -> None:
    """What the other processes of a training have to say."""


def _diverged(losses: list[float]) -> bool:
    """Whether the last losses are no numbers or far above the lowest; medians of five, as single batches are noisy."""
    if not math.isfinite(losses[-1]):
        return True
    recent = [median(losses[max(0, end - 5) : end]) for end in range(5, len(losses) + 1)]
    return bool(recent) and recent[-1] > DIVERGED * min(recent)


def analyse(rates: np.ndarray, losses: np.ndarray, diverged: bool) -> RangeTest:
    """Smooth the losses and find the learning rates to suggest.

    The loss is smoothed over the logarithm of the learning rate by local regression: at every point a straight line is
    fitted to all losses, with Gaussian weights whose standard deviation is a thirtieth of the range, two steps at
    least. Its height is the smoothed loss, its slope that of the loss.

    ``steepest`` is where the slope is most negative, among the learning rates up to that of the lowest smoothed loss.
    ``highest`` is the last one, beyond the lowest loss, before the smoothed loss has climbed back to what it was at
    ``steepest``: about where Smith reads the upper bound of a cyclical schedule. A network can bear that much once it
    has been trained for a while at less, as a schedule that rises lets it. As the loss of small networks and batches
    may wander for long without climbing, it is ten times ``steepest`` at most.

    Both have two digits. Both are None when the smoothed loss falls by less than the losses scatter around it, or by
    less than a hundredth.

    Args:
        rates: ``[n]`` learning rates in rising order.
        losses: ``[n]`` finite losses.
        diverged: handed on.

    Source: Smith 2017, section 3.3; Smith and Topin, "Super-Convergence", 2018.
    """
    position = np.log10(rates)
    width = max((position[-1] - position[0]) / 30, 2 * (position[1] - position[0]))
    distance = position[None, :] - position[:, None]
    weight = np.exp(-0.5 * (distance / width) ** 2)
    weight /= weight.sum(1, keepdims=True)
    centre = (weight * distance).sum(1)
    level = weight @ losses
    spread = (weight * distance**2).sum(1) - centre**2
    slopes = ((weight * distance) @ losses - centre * level) / spread
    smoothed = level - slopes * centre
    lowest = int(np.argmin(smoothed))
    scatter = float(np.std((losses - smoothed)[: lowest + 1]))
    if smoothed[0] - smoothed[lowest] <= max(scatter, 0.01 * abs(smoothed[0])):
        return RangeTest(rates, losses, smoothed, slopes, None, None, diverged)
    steepest = int(np.argmin(slopes[: lowest + 1]))
    above = np.flatnonzero(smoothed[lowest:] > smoothed[steepest])
    last = lowest + int(above[0]) - 1 if len(above) else len(rates) - 1
    highest = min(rates[last], HIGHEST * rates[steepest])
    return RangeTest(rates, losses, smoothed, slopes, _two_digits(rates[steepest]), _two_digits(highest), diverged)


def _two_digits(rate: float) -> float:
    return float(f"{rate:.1e}")
