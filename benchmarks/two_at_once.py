"""How fast a training is alone, and two at once on the same cores.

    python benchmarks/two_at_once.py [--rounds 3]

Each round trains `tiny_resnet18.yaml` on the demo data alone, then two at once, in processes of their own without
``OMP_NUM_THREADS``, and takes the median images per second of the epochs after the first. Printed are, of all rounds,
the medians and their ratios: each of two at once to half the rate alone (fair is 1), and alone to the same with
``OMP_NUM_THREADS`` set to all cores, which nothing looks into. Nothing else should run on the machine.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONFIGS = ["--config", str(ROOT / "configs/tiny_resnet18.yaml"), "--config", str(ROOT / "configs/demo.yaml")]
LIBRARY = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT")


def start(folder: Path, threads: int | None, epochs: int) -> "subprocess.Popen[str]":
    """Begin a training in a folder of its own, with so many threads, or as many as it chooses itself."""
    folder.mkdir(parents=True)
    env = {key: value for key, value in os.environ.items() if key not in LIBRARY} | {"PYTHONPATH": str(ROOT)}
    env |= {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "eurosat_cls", "fit", *CONFIGS, "--trainer.max_epochs", str(epochs)]
    settled = ["--trainer.precision", "32-true", "--model.init_args.memory_format", "contiguous", "--pictures", "[]"]
    return subprocess.Popen([*command, *settled], cwd=folder, env=env, stderr=subprocess.PIPE, text=True)


def rate(training: "subprocess.Popen[str]") -> float:
    """Wait for a training, and return the median images per second of its epochs after the first."""
    said = training.communicate()[1]
    if training.returncode:
        raise SystemExit(said)
    return statistics.median([float(found) for found in re.findall(r"(\d+) images/s", said)][1:])


def main() -> None:
    """Take turns and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    alone, plain, both = [], [], []
    with tempfile.TemporaryDirectory() as name:
        for number in range(given.rounds):
            folder = Path(name) / str(number)
            alone.append(rate(start(folder / "alone", None, given.epochs)))
            two = [start(folder / which, None, given.epochs) for which in ("a", "b")]
            both += [rate(training) for training in two]
            plain.append(rate(start(folder / "plain", cores, given.epochs)))
    one, least, before = statistics.median(alone), min(both), statistics.median(plain)
    rates = ", ".join(f"{each:.0f}" for each in both)
    print(f"images/s: alone {one:.0f}; two at once {rates}; with {cores} threads {before:.0f}")
    print(f"slowest of two at once: {2 * least / one:.2f} of half the rate alone; alone: {one / before:.2f} of these")


if __name__ == "__main__":
    main()
