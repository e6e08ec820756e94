"""Train with growing batches until memory or data end, and measure the rate of each."""

import copy
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.memory import garbage_collection_cuda, is_oom_error

from eurosat_cls.callbacks.finders.memory import PeakMemory, available_memory
from eurosat_cls.callbacks.finders.undoable_steps import undoable_steps
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.models.base import PatchModule
from eurosat_cls.utils.errors import UserError

MEMORY_SHARE = 0.7  # of the available main memory that a batch may take
NEARLY = 0.95  # of the best rate: what a larger batch gains beyond that is not worth it
WARM_STEPS, FEWEST_STEPS, MOST_STEPS, SECONDS = 1, 3, 20, 1.0


class Trial(NamedTuple):
    """A batch size that trains.

    Attributes:
        batch_size: patches.
        images_per_second: of the quickest training step, its batch's reading and augmentation included.
        memory: bytes at the peak: of tensors on a GPU, of the whole process on a CPU.
    """

    batch_size: int
    images_per_second: float
    memory: int


class BatchSizes(NamedTuple):
    """What was measured.

    Attributes:
        trials: by batch size, the smallest first.
        ended: why no larger one was tried.
    """

    trials: list[Trial]
    ended: str

    @property
    def largest(self) -> int:
        """The largest batch that trains."""
        return self.trials[-1].batch_size

    @property
    def recommended(self) -> int:
        """The smallest batch whose rate is within 5 % of the best."""
        best = max(trial.images_per_second for trial in self.trials)
        return next(trial.batch_size for trial in self.trials if trial.images_per_second >= NEARLY * best)


def check_batch_sizes(smallest: int, largest: int) -> None:
    """Refuse batch sizes that cannot be tried.

    Raises:
        UserError: naming them.
    """
    if not 1 <= smallest <= largest:
        raise UserError(f"Batch sizes need 1 <= smallest <= largest; got {smallest} to {largest}.")


def measure_batch_sizes(
    trainer: Trainer, module: PatchModule, data: PatchDataModule, smallest: int, largest: int
) -> Iterator[Trial | str]:
    """Train some steps with batches of ``smallest`` patches, twice as many, and so on.

    It ends when a batch runs out of memory, when the next would be above ``largest`` or above the number of training
    patches, and on a CPU, where running out of memory can take the machine with it, before a batch that is likely to
    need more than 70 % of the memory that was available at the start. What that is: twice the last batch takes twice
    what it took at its peak beyond what the process had before the first.

    Everything is as it was found after every size, see
    :func:`~eurosat_cls.callbacks.finders.undoable_steps.undoable_steps`.

    Yields:
        A trial for every size that trains, and at last why there are no more.

    Raises:
        UserError: when there are fewer training patches than ``smallest``, or that many are out of memory.
    """
    device = trainer.strategy.root_device
    base, budget = PeakMemory(device).bytes(), MEMORY_SHARE * available_memory()
    if data.train_patches < smallest:
        raise UserError(f"There are {data.train_patches} training patches, fewer than a batch of {smallest}.")
    size, last = smallest, None
    while True:
        last = _try(trainer, module, data, size)
        if last is None:
            break
        yield last
        size *= 2
        needed = 2 * (last.memory - base)
        if size > min(largest, data.train_patches):
            yield "no larger ones asked for" if size > largest else f"there are {data.train_patches:,} training patches"
            return
        if device.type == "cpu" and needed > budget:
            there = f"{budget / 2**30:.1f} GiB are there for it"
            yield f"a batch of {size} would take about {needed / 2**30:.1f} GiB, {there}"
            return
    if size == smallest:
        raise UserError(f"A batch of {size} runs out of memory already: try a smaller one, or a smaller network.")
    yield f"a batch of {size} runs out of memory"


def _try(trainer: Trainer, module: PatchModule, data: PatchDataModule, size: int) -> Trial | None:
    """Train with batches of this size; None when that runs out of memory."""
    served = copy.copy(data)
    served.batch_size = size
    device = trainer.strategy.root_device
    garbage_collection_cuda()
    peak = PeakMemory(device)
    try:
        seconds = _seconds(trainer, module, served, device)
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not is_oom_error(error):
            raise
        seconds = None
    garbage_collection_cuda()
    return None if seconds is None else Trial(size, size / seconds, peak.bytes())


def _seconds(trainer: Trainer, module: PatchModule, data: PatchDataModule, device: torch.device) -> float:
    """Seconds of the quickest of a few steps, so that other work on the machine does not decide."""
    quickest, steps = float("inf"), 0
    with undoable_steps(trainer, module) as trial:
        batches = trial.batches(data)
        begin = time.perf_counter()
        while steps < WARM_STEPS + FEWEST_STEPS or (steps < MOST_STEPS and time.perf_counter() - begin < SECONDS):
            start = time.perf_counter()
            trial.step([next(batches)])
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            steps += 1
            if steps > WARM_STEPS:
                quickest = min(quickest, time.perf_counter() - start)
    return quickest
