"""Start the process of a trial, with its share of the machine, and understand how it ended."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eurosat_cls.utils.children import python_environment
from eurosat_cls.utils.cores import available_cores, decided
from eurosat_cls.utils.files import NO_SPACE, growing

LOG = "log.txt"  # in the run folder: what the process printed
_LITTLE = 2**16  # bytes left on a disk that is as good as full
_ERROR = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Timeout)\b.*")


def start(
    module: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> "subprocess.Popen[str]":
    """Start ``python -m module``, with lines in and out, and everything else in the log of the folder.

    A session of its own keeps a terminal's Ctrl-C from it: the search decides what becomes of it.
    """
    with growing(folder / LOG) as log:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            text=True, env={**python_environment(), **environment}, start_new_session=True,
        )  # fmt: skip


def share_of(slot: int, workers: int, config: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment that gives a worker its share of cores and GPUs.

    Cores are dealt out unless ``OMP_NUM_THREADS`` or the like is set. Where there are several GPUs, each worker in turn
    sees as many as ``trainer.devices`` says, one by default; devices that are listed by number are left as they are.

    Args:
        slot: number of the worker, from 0.
        workers: how many there are.
        config: the whole configuration.
    """
    environment: dict[str, str] = {}
    if not decided():
        environment["OMP_NUM_THREADS"] = str(max(1, available_cores() // workers))
    wanted = config["trainer"]["devices"]
    gpus = visible_gpus() if config["trainer"]["accelerator"] in ("auto", "gpu", "cuda") else []
    if len(gpus) > 1 and not isinstance(wanted, list) and str(wanted) != "-1":
        count = int(wanted) if str(wanted).isdigit() else 1
        chosen = [gpus[(slot * count + i) % len(gpus)] for i in range(min(count, len(gpus)))]
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
    return environment


def visible_gpus() -> list[str]:
    """Names by which CUDA knows the GPUs that this process may use."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    return named.split(",")[:count] if named else [str(number) for number in range(count)]


def was_killed(code: int) -> bool:
    """Whether an exit code says that a signal from elsewhere ended the process."""
    return code < 0 or code in (128 + signal.SIGKILL, 128 + signal.SIGTERM)


def reason_of(code: int, folder: Path) -> str:
    """Say in a line why a process has failed: by its last error, or by the signal that ended it."""
    if was_killed(code):
        name = signal.Signals(-code if code < 0 else code - 128).name
        memory = ", by hand or by the system when memory ran out" if name == "SIGKILL" else ""
        return f"killed by {name}{memory}"
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    for line in reversed(lines):
        if line.startswith("eurosat_cls: error: "):
            return line.removeprefix("eurosat_cls: error: ")[:300]
        if _ERROR.match(line):
            return line[:300]
    return f"ended with code {code}, see {folder / LOG}"


def is_full(folder: Path, reason: str) -> bool:
    """Whether a process has failed for want of space on the disk of a folder, by what it said and by what is left."""
    said = any(os.strerror(number) in reason for number in NO_SPACE)
    return said or shutil.disk_usage(folder).free < _LITTLE
