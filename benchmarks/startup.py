"""How long it takes until something happens: help, and the first training step.

    EUROSAT_ROOT=... python benchmarks/startup.py

Starts processes in turns and prints medians of seconds: help of the program and of ``fit``; the way to the first
training step of the shipped config, of which importing the libraries is the largest part; and the same of a bare
LightningCLI application with a network of torchvision. A first run fills the caches: the patch store, what ``auto`` was
measured to be, and the help of ``fit``, which the first call takes from the parser.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "configs" / "tiny_resnet18.yaml"

LIBRARIES = """
import lightning.pytorch.cli, torch, torchmetrics, torchvision, yaml
from torch.utils.tensorboard import SummaryWriter
"""
FIRST_STEP = """
import os, sys
def first(*args, **kwargs):
    os._exit(0)
"""
OURS = (
    FIRST_STEP
    + f"""
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.cli import main
Classifier.training_step = first
main(["fit", "--config", {str(CONFIG)!r}, *sys.argv[1:]])
"""
)
BARE = (
    FIRST_STEP
    + """
import torch, torchvision
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.demos.boring_classes import RandomDataset
class Plain(LightningModule):
    training_step = first
    def __init__(self, lr: float = 0.1):
        super().__init__()
        self.network = torchvision.models.resnet18()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
    def train_dataloader(self):
        return torch.utils.data.DataLoader(RandomDataset(32, 64))
LightningCLI(Plain, args=["fit"])
"""
)


def seconds(*command: str) -> float:
    """Run Python with these arguments in an empty folder; return how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        return time.perf_counter() - start


def main() -> None:
    """Take turns and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    commands = {
        "--help": ["-m", "eurosat_cls", "--help"],
        "fit --help": ["-m", "eurosat_cls", "fit", "--help"],
        "importing the libraries": ["-c", LIBRARIES],
        "fit to the first step": ["-c", OURS],
        "a bare LightningCLI to its first step": ["-c", BARE],
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    first = {name: seconds(*command) for name, command in commands.items()}
    for _ in range(rounds):
        for name, command in commands.items():
            found[name].append(seconds(*command))
    medians = {name: statistics.median(values) for name, values in found.items()}
    for name, median in medians.items():
        print(f"{name:40} {median:6.2f} s   (first call {first[name]:.2f} s)")
    _, _, libraries, step, bare = medians.values()
    print(f"to the first step: {step - libraries:.2f} s beyond the imports; {step / bare:.2f} of the bare application")


if __name__ == "__main__":
    main()
