"""What looking costs: the default pictures and metrics beside the epochs of a training.

    EUROSAT_ROOT=... python benchmarks/pictures.py

Trains the shipped config on the real data for a few epochs, as a user does, and times inside that process everything
that is there to be looked at: the outputs of each validation patch, the temperature, each callback that draws. Then
trains with and without the pictures in turns and compares the epochs. The first epoch of a training warms up and does
not count. Prints shares of an epoch; what happens once is spread over the 80 epochs of the config.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

from eurosat_cls import callbacks
from eurosat_cls.callbacks import EpochSummary
from eurosat_cls.cli import main
from eurosat_cls.cli.application import PICTURES
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.predictions import OutputCollector

CONFIG = Path(__file__).parent.parent / "configs" / "tiny_resnet18.yaml"
RECIPE = 80  # epochs of the config
ONCE = ("on_fit_start", "on_train_start", "on_train_end")
DRAWING = [getattr(callbacks, name) for name in (*PICTURES, "TensorBoardText")]


class Spent:
    """Seconds spent in methods, by class; apart for every epoch and for what happens once in a training."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = [defaultdict(float)]
        self.once: dict[str, float] = defaultdict(float)

    def timed(self, owner: type, name: str) -> None:
        """Replace a method by one that is timed."""
        method: Callable[..., Any] = getattr(owner, name)

        def run(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                seconds = self.once if name in ONCE else self.epochs[-1]
                seconds[owner.__name__] += time.perf_counter() - start

        setattr(owner, name, run)


def fit(epochs: int, pictures: bool, spent: Spent | None = None) -> list[float]:
    """Train for one epoch and some more; return the seconds of those."""
    end, seconds = EpochSummary.on_train_epoch_end, []

    def ending(self: EpochSummary, *args: Any) -> None:
        end(self, *args)
        seconds.append(time.perf_counter() - self._start)
        if spent is not None:
            spent.epochs.append(defaultdict(float))

    EpochSummary.on_train_epoch_end = ending  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            main(["fit", "--config", str(CONFIG), "--trainer.max_epochs", str(epochs + 1), "--trainer.default_root_dir",
                  folder, *([] if pictures else ["--pictures", "[]"])])  # fmt: skip
    finally:
        EpochSummary.on_train_epoch_end = end  # type: ignore[method-assign]
    return seconds[1:]


def inside(epochs: int) -> None:
    """Time what is spent inside one training, and print it."""
    spent = Spent()
    for owner in DRAWING:
        for name in dir(Callback):
            if name.startswith("on_") and getattr(owner, name) is not getattr(Callback, name):
                spent.timed(owner, name)
    spent.timed(OutputCollector, "update")
    spent.timed(Classifier, "on_validation_epoch_end")
    epoch = statistics.median(fit(epochs, True, spent))
    print(f"\nAn epoch takes {epoch:.2f} s.\n\n{'':20} each epoch       once")
    every, once = 0.0, 0.0
    for name in sorted(spent.once.keys() | set().union(*spent.epochs)):
        each = statistics.median(parts.get(name, 0.0) for parts in spent.epochs[1 : epochs + 1])
        first = max(0.0, spent.epochs[0].get(name, 0.0) - each)  # what the first epoch takes longer than others
        every, once = every + each, once + spent.once.get(name, 0.0) + first
        print(f"{name:20} {1000 * each:7.1f} ms  {spent.once.get(name, 0.0) + first:7.2f} s")
    print(f"{'together':20} {1000 * every:7.1f} ms  {once:7.2f} s")
    share, spread = 100 * every / epoch, 100 * (every + once / RECIPE) / epoch
    print(f"{share:.2f} % of an epoch; {spread:.2f} % with what happens once spread over {RECIPE} epochs\n")


def in_turns(epochs: int, rounds: int) -> None:
    """Train with and without pictures in turns, and print the ratio of their epochs."""
    found: dict[bool, list[float]] = {True: [], False: []}
    for k in range(rounds):
        for pictures in (True, False) if k % 2 else (False, True):
            found[pictures] += fit(epochs, pictures)
    for pictures, seconds in found.items():
        print(f"{'with' if pictures else 'without'} pictures: {', '.join(f'{s:.2f}' for s in seconds)} s an epoch")
    ratio = statistics.median(found[True]) / statistics.median(found[False])
    print(f"an epoch with pictures takes {ratio:.3f} of one without, by medians")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3, help="epochs that count, in each training")
    parser.add_argument("--rounds", type=int, default=2, help="trainings with and without pictures")
    given = parser.parse_args()
    in_turns(given.epochs, given.rounds)
    inside(given.epochs)
