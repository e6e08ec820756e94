"""Time training steps of a network in a process of their own, so that a crash in native code ends that one only.

Some settings die on some machines: float32 in channels_last of narrow 1x1 convolutions with stride 2 ends with SIGSEGV
in oneDNN (torch 2.14.1, AVX512). A process that dies says by its last word which candidate it was.
"""

import copy
import io
import math
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch

from eurosat_cls.models.network import Network, compile_parts, normalising
from eurosat_cls.utils.children import python_environment
from eurosat_cls.utils.machine import keep_freed_memory

Candidate = tuple[str, str, bool]  # precision, memory format, compiled


def rates_of(
    network: Network, shape: tuple[int, ...], device: torch.device, candidates: list[Candidate]
) -> tuple[dict[Candidate, float], dict[Candidate, str]]:
    """Return images per second of each candidate, and the signals that others have died of.

    GPUs are timed in this process, as another one might not get at them; and so is a network that cannot be handed to
    another process.
    """
    died: dict[Candidate, str] = {}
    left = list(candidates)
    while left and device.type == "cpu":
        try:
            task = pickle.dumps((network, shape, left, torch.get_num_threads()))
        except Exception:  # whatever a part of the network raises
            break
        rates, last, code = _in_child(task)
        if rates is not None:
            return rates, died
        if code >= 0 or last is None:
            break
        died[left.pop(last)] = signal.Signals(-code).name
    return (measure(network, shape, device, left) if left else {}), died


def _in_child(task: bytes) -> tuple[dict[Candidate, float] | None, int | None, int]:
    """Return rates, None where there are none; which candidate came last; and the exit code."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__], env=python_environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        try:
            said, _ = child.communicate(task)
        except BaseException:
            child.kill()
            raise
    words, rates, last = io.BytesIO(said), None, None
    while words.tell() < len(said):
        try:
            word: Any = pickle.load(words)
        except (EOFError, pickle.UnpicklingError):
            break  # it died while it spoke
        rates, last = (word, last) if isinstance(word, dict) else (rates, word)
    return rates, last, child.returncode


def _child() -> None:
    """Measure what comes in, and say what is tried and found."""
    keep_freed_memory()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed goes elsewhere

    def tell(word: object) -> None:
        pickle.dump(word, out)
        out.flush()

    network, shape, candidates, threads = pickle.load(sys.stdin.buffer)
    torch.set_num_threads(threads)
    tell(measure(network, shape, torch.device("cpu"), candidates, tell))


def measure(
    network: Network,
    shape: tuple[int, ...],
    device: torch.device,
    candidates: list[Candidate],
    trying: Callable[[int], object] = lambda number: None,
) -> dict[Candidate, float]:
    """Return images per second of training steps on one resident batch, of each candidate, in this process.

    The candidates take turns and each keeps its quickest step, so that other work on the machine does not decide.
    ``trying`` is told the number of a candidate before each of its steps.

    Raises:
        UserError: for batches that cannot be normalised.
    """
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), normalising(shape[0]):
        steps = []
        for number, candidate in enumerate(candidates):
            trying(number)
            steps.append(_step(network, shape, device, *candidate))
        seconds = [math.inf] * len(steps)
        for turn in range(8 if device.type == "cpu" else 24):
            for i, step in enumerate(steps):
                trying(i)
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


if __name__ == "__main__":
    _child()
