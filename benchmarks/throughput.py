"""How much of the raw training step the command line keeps, and what a plain Lightning application keeps.

    EUROSAT_ROOT=... python benchmarks/throughput.py [--rounds 3]

In every round each candidate trains for some seconds in turn: the raw step on one resident batch (float32 and the
machine's ``auto`` setting), ``python -m eurosat_cls fit`` as a user runs it, and a plain LightningCLI + ImageFolder +
DataLoader application in its default float32 with the same network and batch size. Prints medians over the rounds
and their ratios; absolute rates depend on the machine and its other load.
"""

import argparse
import json
import os
import statistics
import tempfile
import zipfile
from pathlib import Path

import torch
import yaml
from common import BATCH, Clock, rate_of, raw_step
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.cli import LightningCLI
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from eurosat_cls.cli import main
from eurosat_cls.data.cache import cache_folder
from eurosat_cls.encoders import ResNet

CONFIG = Path(__file__).parent.parent / "configs" / "tiny_resnet18.yaml"


class PlainModule(LightningModule):
    """The plain application's module."""

    def __init__(self, lr: float = 0.05) -> None:
        super().__init__()
        self.network = nn.Sequential(ResNet(3), nn.Linear(160, 10))
        self.lr = lr

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        loss = nn.functional.cross_entropy(self.network(batch[0]), batch[1], label_smoothing=0.1)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), self.lr, momentum=0.9, nesterov=True, weight_decay=1e-3)


class PlainData(LightningDataModule):
    """The plain application's data: a folder of JPEGs, the usual transforms, two workers."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self.root = root

    def train_dataloader(self) -> DataLoader:  # type: ignore[type-arg]
        usual = transforms.Compose(
            [
                transforms.RandomHorizontalFlip(),
                transforms.RandomVerticalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.34, 0.38, 0.41), (0.2, 0.14, 0.12)),
            ]
        )
        return DataLoader(ImageFolder(self.root, usual), BATCH, shuffle=True, drop_last=True, num_workers=2)


def ours(steps: int) -> float:
    """Rate of ``eurosat_cls fit`` with the shipped config."""
    with tempfile.TemporaryDirectory() as folder:
        callbacks = yaml.safe_dump([{"class_path": "common.Clock"}], default_flow_style=True).strip()
        main(["fit", "--config", str(CONFIG), "--trainer.max_epochs", "1", "--trainer.callbacks", callbacks,
                     "--trainer.limit_train_batches", str(steps), "--trainer.limit_val_batches", "0",
                     "--trainer.default_root_dir", folder, "--model.init_args.total_steps", "1000"])  # fmt: skip
    return Clock.rates.pop()


def plain(root: str, steps: int) -> float:
    """Rate of the plain application."""
    with tempfile.TemporaryDirectory() as folder:
        LightningCLI(
            PlainModule,
            PlainData,
            args=["fit", "--data.root", root, "--trainer.max_epochs", "1", "--trainer.limit_train_batches", str(steps),
                  "--trainer.default_root_dir", folder],
            trainer_defaults={"callbacks": [Clock()], "accelerator": "cpu"},
        )  # fmt: skip
    return Clock.rates.pop()


def extracted(archive: Path, folder: str) -> str:
    """Extract the archive for the plain application, which reads a folder."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return str(Path(folder) / "2750")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=100)
    given = arguments.parse_args()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        tree = extracted(Path(os.environ.get("EUROSAT_ROOT", "data")) / "EuroSAT.zip", folder)
        ours(4)  # builds the store and settles `auto`
        chosen = list(json.loads((cache_folder() / "machine.json").read_text()).values())[-1]
        auto = (chosen["precision"], chosen["memory_format"])
        for _ in range(given.rounds):
            turns = {
                "raw step, auto": lambda: rate_of(raw_step(*auto), 12),
                "eurosat_cls fit, auto": lambda: ours(given.steps),
                "raw step, float32": lambda: rate_of(raw_step("32-true", "contiguous"), 12),
                "plain LightningCLI + ImageFolder, float32": lambda: plain(tree, given.steps // 2),
            }
            for name, turn in turns.items():
                found.setdefault(name, []).append(turn())
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    print(f"auto is {auto[0]}, {auto[1]}; medians of {given.rounds} rounds, images/s:")
    for name, rate in medians.items():
        print(f"  {name:45} {rate:7.0f}   {[round(r) for r in found[name]]}")
    fit, raw, slow = (
        medians[k] for k in ("eurosat_cls fit, auto", "raw step, auto", "plain LightningCLI + ImageFolder, float32")
    )
    each = [a / b for a, b in zip(found["eurosat_cls fit, auto"], found["raw step, auto"])]
    print(f"eurosat_cls fit / raw step, same setting: {fit / raw:.3f}   by round {[round(r, 3) for r in each]}")
    print(f"eurosat_cls fit / plain application:      {fit / slow:.2f}")
