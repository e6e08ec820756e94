"""Which precision, memory format and compile setting are the fastest here, where a configuration leaves them open."""

import hashlib
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import nn

from eurosat_cls.models.base import PatchModule
from eurosat_cls.models.network import Network
from eurosat_cls.training.precision import can_run, check_precision, device_of, supports_bf16
from eurosat_cls.training.timing import Candidate, rates_of
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
    asked = len(candidates) == 1 and isinstance(compile, bool)
    if asked and not (device.type == "cpu" and memory_format == "channels_last" and planned_images):
        return Execution(*candidates[0], fixed, {})
    if device.type == "cpu":
        shape = (min(shape[0], MEASURED_BATCH), *shape[1:])
    network = Network(model)
    # What was asked for is tried as well where it is known to kill a process now and then, but not compiled for that.
    key = _key(network, shape, device, [candidates, compile, planned_images if compile == "auto" else 0])
    kept = cache_folder() / "machine.json"
    with ExitStack() as stack:
        with suppress(UserError):  # an unwritable cache only means measuring again
            # Processes that start together would measure each other; so the first measures, and the others read.
            stack.enter_context(exclusive(kept.with_suffix(".lock"), "its measurements"))
        known = read_json(kept)
        with suppress(KeyError, TypeError):  # not measured yet, or kept in a form of another version
            chosen = Execution(**known[key])
            return _warned(chosen) if asked else chosen
        found = {}
        if asked:
            chosen = _try(network, shape, device, (*candidates[0], fixed))
        else:
            chosen = _measure(network, shape, device, candidates, compile, planned_images)
            for each in candidates:  # so that who asks for one of them later knows whether it has survived
                rates = {name: rate for name, rate in chosen.rates.items() if name == " ".join(each)}
                if each[1] == "channels_last":
                    found[_key(network, shape, device, [[each], fixed, 0])] = Execution(*each, fixed, rates)
        found[key] = chosen
        with suppress(OSError):
            write_json(kept, {**read_json(kept), **{name: asdict(one) for name, one in found.items()}})
    return _warned(chosen) if asked else chosen


def _try(network: Network, shape: tuple[int, ...], device: torch.device, candidate: Candidate) -> Execution:
    """Return what was asked for, with its rate, or without where it has died."""
    eager = (*candidate[:2], False)
    rates, _ = rates_of(network, shape, device, [eager])
    return Execution(*candidate, {f"{eager[0]} {eager[1]}": round(rate, 1) for rate in rates.values()})


def _warned(asked: Execution) -> Execution:
    """Warn of what was asked for and has died when it was tried."""
    if not asked.rates:
        rank_zero_print(
            f"warning: {asked.precision} with {asked.memory_format} crashed when a few steps of this network were "
            "tried on this machine; the training may end without a word. model.memory_format: auto avoids it."
        )
    return replace(asked, rates={})


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
    rates = _surviving(network, shape, device, [(*c, fixed) for c in candidates])
    if not rates:  # nothing is left to choose from
        return Execution(*candidates[0], fixed, {})
    if compile == "auto":
        eager = max(rates.values())
        if planned_images / eager * 0.1 > COMPILE_SECONDS:
            rates |= _surviving(network, shape, device, [(p, f, True) for p, f, _ in rates])
        rates = {
            c: r for c, r in rates.items() if not c[2] or planned_images / eager - planned_images / r > COMPILE_SECONDS
        }
    best = max(rates, key=lambda c: rates[c])
    named = {f"{p} {f}{' compiled' if compiled else ''}": round(rate, 1) for (p, f, compiled), rate in rates.items()}
    return Execution(*best, named)


def _surviving(
    network: Network, shape: tuple[int, ...], device: torch.device, candidates: list[Candidate]
) -> dict[Candidate, float]:
    """Images per second of the candidates, without those that have died, which is told."""
    rates, died = rates_of(network, shape, device, candidates)
    for (precision, memory, _), why in died.items():
        rank_zero_print(f"{precision} {memory} is left out: it crashes here with this network ({why})")
    return rates


def _precisions(device: torch.device) -> list[str]:
    return ["32-true", "bf16-mixed"] if supports_bf16(device) else ["32-true"]


def _key(network: nn.Module, shape: tuple[int, ...], device: torch.device, asked: Any) -> str:
    name = torch.cuda.get_device_name() if device.type == "cuda" else cpu_name()
    layers = [
        (type(module).__name__, module.extra_repr()) for module in network.modules() if not list(module.buffers(False))
    ]
    parts = [name, torch.__version__, torch.get_num_threads(), layers, shape, asked]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


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
