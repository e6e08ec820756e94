"""One of several processes: which one this is, and how they end together."""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from typing import Any

import torch

from eurosat_cls.utils.text import printable

# Set by torchrun, by SLURM, and by Lightning for the processes that it starts itself.
_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
_LOST = ("closed by peer", "reset by peer", "broken pipe", "socket closed")


def is_first_process() -> bool:
    """Return whether this process writes and speaks for all; known before the processes have met."""
    return all(int(os.environ.get(name) or 0) == 0 for name in _RANKS)


def rank_zero_print(text: str) -> None:
    """Print a line on stderr, in the first process only."""
    if is_first_process():
        print(printable(text), file=sys.stderr, flush=True)


def gather_objects(own: Any, processes: int) -> list[Any]:
    """Return what each of several processes has, by rank; to be called by all. One alone need not have met others."""
    of_all = [own] * processes
    if processes > 1:
        torch.distributed.all_gather_object(of_all, own)
    return of_all


def end_with_parent() -> None:
    """Let a process that Lightning has started end when its parent does, on Linux; elsewhere it ends at its next step.

    torchrun and SLURM see to their processes themselves.
    """
    started_by_lightning = int(os.environ.get("LOCAL_RANK") or 0) > 0 and not os.environ.get("TORCHELASTIC_RUN_ID")
    if started_by_lightning and sys.platform == "linux":
        set_parent_death_signal = 1  # prctl.h: PR_SET_PDEATHSIG
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def is_lost_process(error: BaseException) -> bool:
    """Return whether an error is that another process of the training can no longer be reached."""
    if isinstance(error, torch.distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _LOST)
