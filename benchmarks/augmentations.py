"""What augmentations cost beside a training step.

    python benchmarks/augmentations.py

Times every augmentation with its own defaults on 128 patches, RGB in uint8 and 13 bands in uint16, and all of
them in one list; before each comes a training step of tiny_resnet18 (RGB, in the quickest setting of this machine),
so that caches are as in training. Prints medians, and shares of the median step.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial

import torch
from common import BATCH, raw_step, seconds

from eurosat_cls.data import augment
from eurosat_cls.data.augment import Augmentation, augment_batch
from eurosat_cls.data.batch import Batch
from eurosat_cls.training.precision import supports_bf16
from eurosat_cls.utils.machine import keep_freed_memory

EVERY = [
    augment.Dihedral,
    augment.Flip,
    augment.Shift,
    augment.Crop,
    augment.BandJitter,
    augment.BrightnessContrast,
    augment.Blur,
    augment.Noise,
    augment.BandDropout,
    augment.Cutout,
    augment.Mixup,
    augment.CutMix,
]


def quickest_step() -> tuple[str, Callable[[], None]]:
    """The training step in the memory format that is faster here."""
    precision = "bf16-mixed" if supports_bf16(torch.device("cpu")) else "32-true"
    steps = {f"{precision}, {layout}": raw_step(precision, layout) for layout in ("contiguous", "channels_last")}
    spent = {name: min(seconds(step) for _ in range(6)) for name, step in steps.items()}
    best = min(spent, key=lambda name: spent[name])
    return best, steps[best]


def batch(channels: int, dtype: torch.dtype) -> Batch:
    image = torch.randint(0, 255 if dtype == torch.uint8 else 10000, (BATCH, channels, 64, 64)).to(dtype)
    return Batch(image, torch.eye(10)[torch.randint(10, (BATCH,))], torch.arange(BATCH))


def chains() -> dict[str, list[Augmentation]]:
    """What is timed, by name."""
    named: dict[str, list[Augmentation]] = {part.__name__: [part()] for part in EVERY}
    named["Dihedral + Shift"] = [augment.Dihedral(), augment.Shift()]
    named["all together"] = [part() for part in EVERY]
    return named


def main(rounds: int) -> None:
    keep_freed_memory()
    setting, step = quickest_step()
    batches = {"3 x uint8": batch(3, torch.uint8), "13 x uint16": batch(13, torch.uint16)}
    spent: dict[tuple[str, str], list[float]] = {(name, bands): [] for name in chains() for bands in batches}
    steps = []
    generator = torch.Generator().manual_seed(0)
    for epoch in range(rounds):
        for (name, bands), times in spent.items():
            steps.append(seconds(step))
            times.append(seconds(partial(augment_batch, chains()[name], batches[bands], epoch, generator)))
    whole = statistics.median(steps)
    print(f"training step of tiny_resnet18, {setting}: {whole * 1e3:.1f} ms for {BATCH} patches of 64x64")
    print(f"{'':20}" + "".join(f"{bands:>22}" for bands in batches))
    for name in chains():
        medians = [statistics.median(spent[name, bands]) for bands in batches]
        print(f"{name:20}" + "".join(f"{cost * 1e3:10.2f} ms ({cost / whole:6.1%})" for cost in medians))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=9, help="times that everything is timed")
    main(arguments.parse_args().rounds)
