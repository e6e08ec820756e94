"""How much memory there is, and how much a piece of work took at its peak."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

_CGROUPS = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes of main memory that this process could still take without making the system swap.

    On Linux what the kernel calls available, or what is left of the limit of a container, if that is less; elsewhere
    half of the machine's memory.
    """
    try:
        fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return min([available, *_left_in_cgroups(_own_cgroup())])


def _own_cgroup() -> Path:
    """The folder of this process's control group (version 2)."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        name = next(line[3:] for line in lines if line.startswith("0::"))
    except (OSError, StopIteration):
        name = "/"
    return _CGROUPS / name.lstrip("/")


def _left_in_cgroups(folder: Path) -> Iterator[int]:
    """What the memory limits of a control group and those above it leave; file cache counts as free."""
    for place in (folder, *folder.parents):
        with contextlib.suppress(OSError, ValueError):
            limit = int((place / "memory.max").read_text())  # "max", where there is none, is no number
            counts = dict(line.split() for line in (place / "memory.stat").read_text().splitlines())
            used = int((place / "memory.current").read_text()) - int(counts.get("inactive_file", 0))
            yield max(limit - used, 0)


class PeakMemory:
    """Measure the peak of memory from now on: what tensors take on a GPU, what the process takes on a CPU.

    On a CPU the kernel keeps the peak; where it cannot be reset (any system but Linux) it is that of the whole process
    until now, which is right for work that takes ever more.

    Args:
        device: where the work is done.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak resident size

    def bytes(self) -> int:
        """The peak."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        with contextlib.suppress(OSError, StopIteration):
            lines = Path("/proc/self/status").read_text().splitlines()
            return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024
        import resource  # there is none on Windows

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
