"""What the benchmarks share: the network, its raw training step, and a fair way to take turns."""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import nn

from eurosat_cls import Classifier
from eurosat_cls.cli import main
from eurosat_cls.data.sentinel2 import RGB
from eurosat_cls.encoders import ResNet

BATCH = 128
CONFIG = Path(__file__).parent.parent / "configs" / "tiny_resnet18.yaml"


def seconds(action: Callable[[], object]) -> float:
    """How long an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def classifier(memory_format: str, bands: Sequence[str] = RGB, **extra: object) -> Classifier:
    """tiny_resnet18 with the optimizer of its config."""
    sgd = partial(torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3, fused=True)
    rgb = list(bands) == list(RGB)
    model = Classifier(
        ResNet,
        [str(k) for k in range(10)],
        bands,
        loss=partial(nn.CrossEntropyLoss, label_smoothing=0.1),
        optimizer=sgd,
        mean=[87.9, 97.0, 104.1] if rgb else [1500.0] * len(bands),
        std=[51.9, 35.1, 29.6] if rgb else [900.0] * len(bands),
        memory_format=memory_format,  # type: ignore[arg-type]
        **extra,  # type: ignore[arg-type]
    )
    model.setup("fit")
    return model


def synchronise(device: str) -> None:
    """Wait until a device has done what it was given; a CPU does things at once."""
    if device != "cpu":
        torch.cuda.synchronize()


def raw_step(
    precision: str,
    memory_format: str,
    compile: bool = False,
    bands: Sequence[str] = RGB,
    device: str = "cpu",
    batches: Callable[[], tuple[torch.Tensor, torch.Tensor]] | None = None,
) -> Callable[[], None]:
    """One optimisation step of the same network on one resident batch of raw values, and nothing else.

    The values are bytes for RGB and 16-bit digital numbers for other bands; ``batches`` gives others.
    """
    model = classifier(memory_format, bands, compile=compile).train().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3, fused=True)
    dtype, most = (torch.uint8, 255) if list(bands) == list(RGB) else (torch.uint16, 4000)
    resident = (
        torch.randint(0, most, (BATCH, len(bands), 64, 64), dtype=torch.int32).to(dtype).to(device),
        torch.randint(0, 10, (BATCH,)).to(device),
    )

    def step() -> None:
        image, target = resident if batches is None else batches()
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16-mixed"):
            logits = model(image)
        model.loss(logits.float(), target).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


class Turns(Callback):
    """Let a training and a raw step take turns in one process, some steps each, so that both meet the same machine.

    ``fit`` and ``raw`` collect seconds per step, without the first of a turn, which finds the other one in the caches.
    A GPU works behind its back, so there a turn is timed as a whole, and waited for.
    """

    fit: list[float] = []
    raw: list[float] = []
    steps = 6

    def __init__(
        self,
        precision: str,
        memory_format: str,
        compile: bool = False,
        warm_epochs: int = 0,
        bands: Sequence[str] = RGB,
        device: str = "cpu",
    ) -> None:
        self.warm_epochs, self.device = warm_epochs, device
        self.step = raw_step(precision, memory_format, compile, bands, device)
        self.done = 0
        self.last = 0.0

    def on_train_batch_end(self, trainer: Trainer, *args: object, **kwargs: object) -> None:
        counts = self.done > 2 * self.steps and trainer.current_epoch >= self.warm_epochs
        self._note(Turns.fit if counts else [], self.done % self.steps)
        self.done += 1
        if self.done % self.steps == 0:
            for k in range(self.steps):
                self.step()
                self._note(Turns.raw if counts else [], k)
            self.last = time.perf_counter()

    def _note(self, seconds: list[float], place: int) -> None:
        """Note how long the step at a place of its turn took, from the second one on."""
        if self.device == "cpu":
            seconds += [time.perf_counter() - self.last] * (place > 0)
        elif place in (0, self.steps - 1):
            synchronise(self.device)
            seconds += [(time.perf_counter() - self.last) / place] * (place > 0)
        if self.device == "cpu" or place == 0:
            self.last = time.perf_counter()

    def on_train_epoch_end(self, *args: object, **kwargs: object) -> None:
        self.done -= self.done % self.steps  # a turn does not go over the end of an epoch


def ours(steps: int, *more: str) -> dict[str, Any]:
    """``eurosat_cls fit`` with the shipped config, for some steps; return how it was executed."""
    with tempfile.TemporaryDirectory() as folder:
        main(["fit", "--config", str(CONFIG), "--trainer.max_epochs", "3", "--trainer.limit_train_batches", str(steps),
              "--trainer.limit_val_batches", "0", "--trainer.default_root_dir", folder,
              "--model.init_args.total_steps", "1000", *more])  # fmt: skip
        record = json.loads((Path(folder) / "lightning_logs" / "version_0" / "environment.json").read_text())
        return dict(record["execution"])
