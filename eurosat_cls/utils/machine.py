"""What this machine is, and how the C library's memory is kept on it."""

import ctypes
import os
import platform
from contextlib import suppress
from importlib import metadata
from typing import Any

import torch


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
    """Versions of what a run's metrics depend on."""
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
