"""What this machine is, and which precision, memory format and compile setting are the fastest on it."""

import copy
import ctypes
import hashlib
import json
import math
import os
import platform
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from eurosat_cls.decoders import Decoder
from eurosat_cls.encoders import Encoder
from eurosat_cls.models.base import compile_parts, connect
from eurosat_cls.utils.cache import cache_folder, exclusive
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_json

# Compiling takes about this long; it is only tried where a tenth of the training would pay for it.
COMPILE_SECONDS = 40.0
# Larger batches rank the candidates alike, but their float32 activations would be the peak of the whole run's memory.
MEASURED_BATCH = 64


@dataclass(frozen=True)
class Execution:
    """How a network is run: Lightning's precision name, memory format of the encoder, and whether it is compiled."""

    precision: str
    memory_format: str
    compile: bool
    rates: dict[str, float]  # images/s by candidate; empty where nothing had to be measured

    def __str__(self) -> str:
        """Say the choice and what it was chosen from."""
        text = f"{self.precision}, {self.memory_format}, {'compiled' if self.compile else 'not compiled'}"
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in self.rates.items())
        return f"{text} (measured here, images/s: {rates})" if rates else text


def device_of(accelerator: str) -> torch.device:
    """The device that a Lightning accelerator name will choose."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.device("cuda")
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def supports_bf16(device: torch.device) -> bool:
    """Whether bfloat16 runs on the device's own units rather than being imitated slowly."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def can_run(precision: str | None, device: torch.device) -> bool:
    """Whether the device computes in this precision."""
    return precision is not None and (not precision.startswith("bf16") or supports_bf16(device))


def check_precision(precision: Any, device: torch.device) -> None:
    """Refuse bfloat16 where it is only imitated.

    Raises:
        UserError: naming the way out.
    """
    if not can_run(str(precision), device):
        raise UserError(
            f"trainer.precision: {precision} was asked for, but this {device.type} has no bfloat16 units. "
            "Use 32-true, or auto."
        )


class _Network(nn.Module):
    """The network of a model, without what else a model has."""

    def __init__(self, normalize: nn.Module, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.normalize, self.encoder, self.decoder = normalize, encoder, decoder

    def forward(self, image: Tensor) -> Tensor:
        return connect(self.encoder, self.decoder, self.normalize(image))


def choose(
    model: LightningModule,
    shape: tuple[int, ...],
    device: torch.device,
    precision: Any,
    memory_format: str,
    compile: bool | str,
    planned_images: int,
) -> Execution:
    """Turn every ``auto`` into what is fastest here, by timing a few training steps of a copy of the network.

    The result is kept in the cache folder, so that later runs of the same network on the same machine choose alike
    without measuring. Random state and model stay untouched.

    Args:
        model: a Classifier (anything with ``normalize``, ``encoder`` and ``decoder``).
        shape: ``(B, C, H, W)`` of a batch.
        device: where training runs.
        precision: Lightning's precision name, or ``auto``.
        memory_format: ``contiguous``, ``channels_last`` or ``auto``.
        compile: True, False or ``auto``.
        planned_images: images of the whole training, which compiling has to pay for.
    """
    precisions = [str(precision)] if precision != "auto" else _precisions(device)
    formats = [memory_format] if memory_format != "auto" else ["contiguous", "channels_last"]
    fixed = compile if isinstance(compile, bool) else False
    candidates = [(p, f) for p in precisions for f in formats]
    if len(candidates) == 1 and isinstance(compile, bool):
        return Execution(*candidates[0], fixed, {})
    if device.type == "cpu":
        shape = (min(shape[0], MEASURED_BATCH), *shape[1:])
    network = _Network(model.normalize, model.encoder, model.decoder)  # type: ignore[arg-type]
    key = _key(network, shape, device, [candidates, compile, planned_images if compile == "auto" else 0])
    kept = cache_folder() / "machine.json"
    with ExitStack() as stack:
        with suppress(UserError):  # an unwritable cache only means measuring again
            # Processes that start together would measure each other; so the first measures, and the others read.
            stack.enter_context(exclusive(kept.with_suffix(".lock"), "its measurements"))
        known = _read(kept)
        with suppress(KeyError, TypeError):  # not measured yet, or kept in a form of another version
            return Execution(**known[key])
        chosen = _measure(network, shape, device, candidates, compile, planned_images)
        with suppress(OSError):
            write_json(kept, {**_read(kept), key: asdict(chosen)})
    return chosen


def _measure(
    network: _Network,
    shape: tuple[int, ...],
    device: torch.device,
    candidates: list[tuple[str, str]],
    compile: bool | str,
    planned_images: int,
) -> Execution:
    """Return the fastest of some (precision, memory format), and whether compiling pays."""
    fixed = compile if isinstance(compile, bool) else False
    rates = _rates(network, shape, device, [(*c, fixed) for c in candidates])
    if compile == "auto":
        eager = max(rates.values())
        if planned_images / eager * 0.1 > COMPILE_SECONDS:
            rates |= _rates(network, shape, device, [(*c, True) for c in candidates])
        rates = {
            c: r for c, r in rates.items() if not c[2] or planned_images / eager - planned_images / r > COMPILE_SECONDS
        }
    best = max(rates, key=lambda c: rates[c])
    named = {f"{p} {f}{' compiled' if compiled else ''}": round(rate, 1) for (p, f, compiled), rate in rates.items()}
    return Execution(*best, named)


def _precisions(device: torch.device) -> list[str]:
    return ["32-true", "bf16-mixed"] if supports_bf16(device) else ["32-true"]


def _key(network: nn.Module, shape: tuple[int, ...], device: torch.device, asked: Any) -> str:
    name = torch.cuda.get_device_name() if device.type == "cuda" else cpu_name()
    layers = [
        (type(module).__name__, module.extra_repr()) for module in network.modules() if not list(module.buffers(False))
    ]
    parts = [name, torch.__version__, torch.get_num_threads(), layers, shape, asked]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _read(path: Any) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _rates(
    network: _Network, shape: tuple[int, ...], device: torch.device, candidates: list[tuple[str, str, bool]]
) -> dict[tuple[str, str, bool], float]:
    """Images per second of training steps on one resident batch, of each (precision, memory format, compiled).

    The candidates take turns and each keeps its quickest step, so that other work on the machine does not decide.
    """
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        steps = [_step(network, shape, device, *candidate) for candidate in candidates]
        seconds = [math.inf] * len(steps)
        for turn in range(8 if device.type == "cpu" else 24):
            for i, step in enumerate(steps):
                taken = step()
                seconds[i] = min(seconds[i], taken) if turn >= 2 else math.inf
    return {candidate: shape[0] / s for candidate, s in zip(candidates, seconds)}


def _step(
    network: _Network, shape: tuple[int, ...], device: torch.device, precision: str, memory: str, compiled: bool
) -> Callable[[], float]:
    """Return a function that trains a copy of the network for one step and returns its seconds."""
    layout = torch.channels_last if memory == "channels_last" else torch.contiguous_format
    module = copy.deepcopy(network).to(device).train().to(memory_format=layout)  # type: ignore[call-overload]
    if compiled:
        compile_parts(module.encoder, module.decoder)
    image = torch.randint(0, 255, shape, dtype=torch.uint8).to(device).contiguous(memory_format=layout)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-4, momentum=0.9)
    half = torch.bfloat16 if precision.startswith("bf16") else torch.float16 if precision.startswith("16") else None

    def step() -> float:
        start = time.perf_counter()
        with torch.autocast(device.type, half) if half else nullcontext():
            loss = module(image).float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    return step


def keep_freed_memory() -> None:
    """Let the C library reuse the memory that a step frees, on Linux with glibc; elsewhere do nothing.

    By default every large block goes back to the system and comes again page by page: thousands of page faults in each
    training step on a CPU.
    """
    trim_threshold, mmap_threshold = -1, -3  # malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_threshold, 2**30)
        libc.mallopt(trim_threshold, 2**31 - 1)


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of what a run's figures depend on."""
    names = ["eurosat-cls", "torch", "torchvision", "lightning", "torchmetrics", "jsonargparse", "numpy", "pillow"]
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def environment() -> dict[str, Any]:
    """Versions and hardware as plain data."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    machine = {"cpu": cpu_name(), "cores": os.cpu_count(), "threads": torch.get_num_threads(), "gpus": gpus}
    return {"versions": versions(), "platform": platform.platform(), "machine": machine}
