"""What the benchmarks share: the network, its raw training step, and a fair way to take turns."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from lightning.pytorch import Callback, Trainer
from torch import nn

from eurosat_cls import Classifier
from eurosat_cls.data.sentinel2 import RGB
from eurosat_cls.encoders import ResNet

BATCH = 128


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


def raw_step(
    precision: str, memory_format: str, compile: bool = False, bands: Sequence[str] = RGB
) -> Callable[[], None]:
    """One optimisation step of the same network on one resident batch of raw values, and nothing else.

    The values are bytes for RGB and 16-bit digital numbers for other bands.
    """
    model = classifier(memory_format, bands, compile=compile).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3, fused=True)
    dtype, most = (torch.uint8, 255) if list(bands) == list(RGB) else (torch.uint16, 4000)
    image = torch.randint(0, most, (BATCH, len(bands), 64, 64), dtype=torch.int32).to(dtype)
    target = torch.randint(0, 10, (BATCH,))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            logits = model(image)
        model.loss(logits.float(), target).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


class Turns(Callback):
    """Let a training and a raw step take turns in one process, some steps each, so that both meet the same machine.

    ``fit`` and ``raw`` collect seconds per step, without the first of a turn, which finds the other one in the caches.
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
    ) -> None:
        self.warm_epochs = warm_epochs
        self.step = raw_step(precision, memory_format, compile, bands)
        self.done = 0
        self.last = 0.0

    def on_train_batch_end(self, trainer: Trainer, *args: object, **kwargs: object) -> None:
        now = time.perf_counter()
        counts = self.done > 2 * self.steps and trainer.current_epoch >= self.warm_epochs
        if self.done % self.steps > 0 and counts:
            Turns.fit.append(now - self.last)
        self.done += 1
        if self.done % self.steps == 0:
            for k in range(self.steps):
                start = time.perf_counter()
                self.step()
                if k > 0 and counts:
                    Turns.raw.append(time.perf_counter() - start)
        self.last = time.perf_counter()

    def on_train_epoch_end(self, *args: object, **kwargs: object) -> None:
        self.done -= self.done % self.steps  # a turn does not go over the end of an epoch
