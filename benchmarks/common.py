"""What the benchmarks share: the network, its raw training step, and a fair way to take turns."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from lightning.pytorch import Callback
from torch import nn

from eurosat_cls import Classifier
from eurosat_cls.encoders import ResNet

BATCH = 128


def classifier(memory_format: str, **extra: object) -> Classifier:
    """tiny_resnet18 with the optimizer of its config."""
    sgd = partial(torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3, fused=True)
    model = Classifier(
        ResNet,
        [str(k) for k in range(10)],
        ["B04", "B03", "B02"],
        loss=partial(nn.CrossEntropyLoss, label_smoothing=0.1),
        optimizer=sgd,
        mean=[87.9, 97.0, 104.1],
        std=[51.9, 35.1, 29.6],
        memory_format=memory_format,  # type: ignore[arg-type]
        **extra,  # type: ignore[arg-type]
    )
    model.setup("fit")
    return model


def raw_step(precision: str, memory_format: str, compile: bool = False) -> Callable[[], None]:
    """One optimisation step of the same network on one resident batch of raw bytes, and nothing else."""
    model = classifier(memory_format, compile=compile).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3, fused=True)
    image = torch.randint(0, 255, (BATCH, 3, 64, 64), dtype=torch.uint8)
    target = torch.randint(0, 10, (BATCH,))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            logits = model(image)
        model.loss(logits.float(), target).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def rate_of(step: Callable[[], None], seconds: float) -> float:
    """Median images/s of repeated steps during about ``seconds``, after two to warm up."""
    step(), step()
    taken = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    return BATCH / statistics.median(taken)


class Clock(Callback):
    """Time the training steps of a run, from the first batch's end to the last one's."""

    rates: list[float] = []

    def on_train_epoch_start(self, trainer: object, pl_module: object) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *args: object, **kwargs: object) -> None:
        self.ends.append(time.perf_counter())

    def on_train_epoch_end(self, trainer: object, pl_module: object) -> None:
        gaps = [b - a for a, b in zip(self.ends[2:], self.ends[3:])]
        Clock.rates.append(BATCH / statistics.median(gaps))
