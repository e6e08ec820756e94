"""Thirteen bands of 27,000 patches, 2.9 GB: reading them, memory, and what training keeps of its raw step.

    python benchmarks/multispectral.py

Makes a store of that size from generated patches in a temporary folder (3 GB of disk). Cold means that the system's
page cache was told to drop the file; a host below a virtual machine may still have it. Rates of reading are those of
the loader that training uses, in shuffled batches, set against the bare optimisation step of tiny_resnet18 on one
resident batch. The command line's share of that step is measured by taking turns, as in throughput.py. Prints medians
and ratios; absolute rates depend on the machine and its other load.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import BATCH, CONFIG, ours, raw_step
from throughput import report

from eurosat_cls.data import Dihedral, Shift
from eurosat_cls.data.loader import EpochBatches, PatchDataset, make_loader
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.data.sentinel2 import BANDS
from eurosat_cls.data.store.store import Store, open_or_build
from eurosat_cls.data.store.store_spec import Recipe

PATCHES, CLASSES = 27_000, 10


def draw(file: str) -> np.ndarray:
    """A patch of digital numbers around its class's level of each band."""
    label, number = map(int, file.removesuffix(".tif").split("/"))
    level = np.random.default_rng(label).integers(300, 3000, (len(BANDS), 1, 1), dtype=np.uint16)
    return level + np.random.default_rng(number).integers(0, 1000, (len(BANDS), 64, 64), dtype=np.uint16)


class Generated(PatchDataModule):
    """The generated store, augmented as tiny_resnet18.yaml does."""

    def __init__(self, batch_size: int = BATCH) -> None:
        super().__init__(
            bands=None, split="random", batch_size=batch_size, augment=[Dihedral(), Shift(4)], predict_split="test"
        )

    def open_store(self) -> Store:
        files = [(f"{number % CLASSES}/{number}.tif", number % CLASSES) for number in range(PATCHES)]
        return open_or_build(
            Recipe(
                name="generated",
                fingerprint=f"{PATCHES} patches",
                class_names=[str(label) for label in range(CLASSES)],
                bands=BANDS,
                shape=(len(BANDS), 64, 64),
                dtype="uint16",
                source="generated patches",
                files=lambda: files,
                decode=draw,
            )
        )


def evict(store: Store) -> None:
    """Drop the store from the system's page cache."""
    with open(store.path / "images.npy", "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(store: Store, patches: int, seed: int) -> float:
    """Go through some patches as training does; return patches per second."""
    batches = EpochBatches(np.arange(len(store.files)), BATCH, seed, drop_last=True)
    batches.rows = np.random.default_rng(seed).permutation(batches.rows)[:patches]
    start = time.perf_counter()
    count = sum(len(batch.indices) for batch in make_loader(PatchDataset(store, list(range(len(BANDS)))), batches))
    return count / (time.perf_counter() - start)


def peak_memory() -> float:
    """The most memory that this process has held so far, in GB (Linux counts pages of files that it maps)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024 / 1e9


def alone(code: str) -> float:
    """Run code of this module in a process of its own; return the metric that it prints last."""
    paths = [str(Path(__file__).parent), str(CONFIG.parent.parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", f"from multispectral import *\n{code}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return float(done.stdout.split()[-1])


def reading(store: Store, settings: dict[str, object], patches: int) -> None:
    """Compare the rates of reading with what the network consumes, in turns."""
    step = raw_step(bands=BANDS, **settings)  # type: ignore[arg-type]
    rates: dict[str, list[float]] = {"cold": [], "warm": [], "raw step": []}
    for turn in range(4):
        evict(store)
        rates["cold"].append(read(store, patches, turn))
        rates["warm"].append(read(store, patches, turn))
        start = time.perf_counter()
        for _ in range(6):
            step()
        rates["raw step"].append(6 * BATCH / (time.perf_counter() - start))
    middle = {name: statistics.median(values[1:]) for name, values in rates.items()}  # the first turn warms up
    for name in ("cold", "warm"):
        times = middle[name] / middle["raw step"]
        print(f"reading, {name} page cache  {middle[name]:7.0f} patches/s, {times:6.1f} times "
              f"what the network consumes ({middle['raw step']:.0f})")  # fmt: skip


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--steps", type=int, default=126, help="training steps of a fit; 126 are one epoch")
    arguments.add_argument("--patches", type=int, default=8192, help="patches of one pass of reading")
    arguments.add_argument("--folder", help="where to put the store, instead of the system's temporary folder")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        os.environ["EUROSAT_CACHE"] = folder
        store = Generated().store
        print(f"store: {len(store.files)} patches, {store.images.nbytes / 1e9:.2f} GB")
        overlay = Path(folder) / "generated.yaml"
        overlay.write_text(json.dumps({"data": {"class_path": "multispectral.Generated"}}))
        options = ("--trust", "multispectral", "--config", str(overlay), "--trainer.max_epochs", "1")
        chosen = ours(4, *options)  # computes the statistics and settles `auto`
        settings = {key: chosen[key] for key in ("precision", "memory_format", "compile")}
        name = f"{chosen['precision']}, {chosen['memory_format']}"

        reading(store, settings, given.patches)
        empty = alone("print(peak_memory())")
        full = alone("read(Generated().store, PATCHES, 0); print(peak_memory())")
        print(f"peak resident memory: {full:.2f} GB after reading all patches, {empty:.2f} GB before")
        fitting = f"ours({given.steps}, *{options!r}, '--trainer.limit_val_batches', '1.0')"
        print(f"peak resident memory: {alone(f'{fitting}; print(peak_memory())'):.2f} GB in an epoch of fit")

        turns = [{"class_path": "common.Turns", "init_args": {**settings, "bands": BANDS}}]
        for cache in ("cold", "warm"):
            if cache == "cold":
                evict(store)
            ours(given.steps, *options, "--trust", "common", "--trainer.callbacks", json.dumps(turns))
            report(f"eurosat_cls fit, 13 bands, {name}, {cache}")
