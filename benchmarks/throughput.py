"""How much of the raw training step the command line keeps, beside a plain Lightning application.

    EUROSAT_ROOT=... python benchmarks/throughput.py

Runs ``python -m eurosat_cls fit`` with the shipped config on the real data, as a user does, and a plain LightningCLI +
ImageFolder + DataLoader application in its default float32 with the same network and batch size. Each takes turns, six
steps at a time, with the bare optimisation step of that network on one resident batch in the same precision, memory
format and compile setting. Prints medians and ratios; absolute rates depend on the machine and its other load.
"""

import argparse
import json
import os
import statistics
import tempfile
import zipfile
from pathlib import Path

import torch
from common import BATCH, Turns, ours
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.cli import LightningCLI
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from eurosat_cls.encoders import ResNet


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


def plain(root: str, steps: int) -> None:
    """The plain application, for some steps."""
    with tempfile.TemporaryDirectory() as folder:
        LightningCLI(
            PlainModule,
            PlainData,
            args=["fit", "--data.root", root, "--trainer.max_epochs", "1", "--trainer.limit_train_batches", str(steps),
                  "--trainer.default_root_dir", folder],
            trainer_defaults={"callbacks": [Turns("32-true", "contiguous")], "accelerator": "cpu"},
        )  # fmt: skip


def report(name: str) -> float:
    """Print what the last training and its raw step reached; return the training's images/s."""
    fit, raw = (BATCH / statistics.median(seconds) for seconds in (Turns.fit, Turns.raw))
    best = min(Turns.raw) / min(Turns.fit)
    print(f"{name:42} {fit:5.0f} images/s, its raw step {raw:5.0f}: ratio of medians {fit / raw:.3f}, of the quickest "
          f"steps {best:.3f} ({len(Turns.fit)} steps)")  # fmt: skip
    Turns.fit, Turns.raw = [], []
    return fit


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--steps", type=int, default=126, help="training steps of each application")
    given = arguments.parse_args()
    chosen = ours(4)  # builds the store and settles `auto`
    settings = {key: chosen[key] for key in ("precision", "memory_format", "compile")}
    settings["warm_epochs"] = 1  # the first epoch brings the store's pages into this process's memory
    ours(
        given.steps,
        "--trust",
        "common",
        "--trainer.callbacks",
        json.dumps([{"class_path": "common.Turns", "init_args": settings}]),
    )
    rate = report(f"eurosat_cls fit, {chosen['precision']}, {chosen['memory_format']}")
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(Path(os.environ.get("EUROSAT_ROOT", "data")) / "EuroSAT.zip") as archive:
            archive.extractall(folder)
        plain(str(Path(folder) / "2750"), given.steps)
    print(f"eurosat_cls fit / plain application: {rate / report('plain LightningCLI + ImageFolder, float32'):.2f}")
