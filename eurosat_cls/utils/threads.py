"""Let torch use as many threads as there are free cores, and say so when these are not all."""

from dataclasses import dataclass

import torch

from eurosat_cls.utils import cores
from eurosat_cls.utils.distributed import rank_zero_print


@dataclass
class _Chosen:
    """What this process has settled so far: torch's own number of threads, cores that others use, the last line."""

    most: int = 0
    foreign: float = 0.0
    line: str = ""


_chosen = _Chosen()


def share_cores(before: cores.Load | None = None) -> None:
    """Settle the number of threads by the cores, the quota, other trainings, and at first what other programs use.

    Nothing is done where ``OMP_NUM_THREADS`` or the like say how many. It is called again at every epoch, as trainings
    come and go.

    Args:
        before: what the cores had done when this process began.
    """
    if cores.decided():
        return
    _chosen.most = _chosen.most or torch.get_num_threads()
    if before is not None:
        _chosen.foreign = cores.foreign_cores(before, cores.load())
    available, others = cores.available_cores(), len(cores.other_trainings())
    threads = min(_chosen.most, cores.threads_for(available, others, _chosen.foreign))
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    if (line := _line(threads, others)) != _chosen.line:
        _chosen.line = line
        rank_zero_print(line or f"threads: {threads}")


def _line(threads: int, others: int) -> str:
    """Say why the threads are fewer than the cores; nothing where they are not."""
    quota = cores.cpu_quota()
    reasons = [f"a quota of {quota:g}"] if quota is not None else []
    reasons += [f"{others} other training{'s' if others > 1 else ''}"] if others else []
    reasons += [f"other programs on {_chosen.foreign:.1f}"] if cores.threads_for(64, 0, _chosen.foreign) < 64 else []
    visible = cores.visible_cores()
    if threads >= min(visible, _chosen.most) and (quota is None or threads >= visible):
        return ""
    return f"threads: {threads} of {visible} cores ({', '.join(reasons)}; OMP_NUM_THREADS decides otherwise)"


def share_among(processes: int) -> None:
    """Give each of several processes of a training on this machine its share of the cores; this is the first."""
    if (share := cores.share_out(processes)) is not None:
        torch.set_num_threads(share)
