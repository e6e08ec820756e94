"""Which precision, memory format and compile setting are the fastest here, where a configuration leaves them open."""

import copy
import hashlib
import math
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import asdict, dataclass
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import nn

from eurosat_cls.models.base import PatchModule
from eurosat_cls.models.network import Network, compile_parts
from eurosat_cls.training.precision import can_run, check_precision, device_of, supports_bf16
from eurosat_cls.utils.cache import cache_folder, exclusive
from eurosat_cls.utils.distributed import rank_zero_print
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import write_json
from eurosat_cls.utils.limits import read_json
from eurosat_cls.utils.machine import cpu_name

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
    network = Network(model)
    key = _key(network, shape, device, [candidates, compile, planned_images if compile == "auto" else 0])
    kept = cache_folder() / "machine.json"
    with ExitStack() as stack:
        with suppress(UserError):  # an unwritable cache only means measuring again
            # Processes that start together would measure each other; so the first measures, and the others read.
            stack.enter_context(exclusive(kept.with_suffix(".lock"), "its measurements"))
        known = read_json(kept)
        with suppress(KeyError, TypeError):  # not measured yet, or kept in a form of another version
            return Execution(**known[key])
        chosen = _measure(network, shape, device, candidates, compile, planned_images)
        with suppress(OSError):
            write_json(kept, {**read_json(kept), key: asdict(chosen)})
    return chosen


def _measure(
    network: Network,
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


def _rates(
    network: Network, shape: tuple[int, ...], device: torch.device, candidates: list[tuple[str, str, bool]]
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
    network: Network, shape: tuple[int, ...], device: torch.device, precision: str, memory: str, compiled: bool
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


def resolve_auto(model: Any, data: Any, config: Any, checkpoint: dict[str, Any] | None, training: bool) -> Execution:
    """Turn every ``auto`` into a choice, in the model and in the configuration that is saved.

    Args:
        model: as built from the configuration.
        data: likewise.
        config: of the subcommand; its ``trainer`` and ``model`` are changed.
        checkpoint: what is continued or evaluated, if anything.
        training: whether a whole training follows, which compiling has to pay for.

    Raises:
        UserError: for a precision that the device does not have.
    """
    device = device_of(config.trainer.accelerator)
    check_precision(config.trainer.precision, device)
    if not isinstance(model, PatchModule):
        precision = "32-true" if config.trainer.precision == "auto" else str(config.trainer.precision)
        return Execution(precision, "contiguous", False, {})
    if checkpoint is not None:
        _take_saved(model, config, checkpoint, device)
    shape = (data.batch_size, *data.patch_shape)
    planned = len(data.split.train) * (config.trainer.max_epochs or 0) if training else 0
    execution = choose(
        model, shape, device, config.trainer.precision or "32-true", model.memory_format, model.compile_encoder, planned
    )
    model.set_execution(execution.memory_format, execution.compile)
    config.trainer.precision = execution.precision
    config.model.init_args.memory_format = execution.memory_format
    config.model.init_args.compile = execution.compile
    rank_zero_print(f"running with {execution}")
    return execution


def _take_saved(model: PatchModule, config: Any, checkpoint: dict[str, Any], device: torch.device) -> None:
    """Let ``auto`` be what it was in the run that is continued or evaluated, where this machine can do it."""
    saved = checkpoint.get("execution", {})
    if config.trainer.precision == "auto" and can_run(saved.get("precision"), device):
        config.trainer.precision = saved["precision"]
    memory_format, compiled = model.memory_format, model.compile_encoder
    model.set_execution(
        saved.get("memory_format", memory_format) if memory_format == "auto" else memory_format,
        saved.get("compile", compiled) if compiled == "auto" else compiled,
    )
