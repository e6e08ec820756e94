"""How many threads fit what this process really has: its cores, its quota, and what else runs on them.

Threads that wait for each other at the end of every operation cost more than they bring where there are fewer free
cores than threads. Nothing here imports torch: the number has to be known before that.
"""

import os
import time
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Whoever sets one of these has decided.
DECIDED = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "MKL_NUM_THREADS")
_OURS = "EUROSAT_THREADS"  # the number of threads, where it was this program that set OMP_NUM_THREADS
_SLACK = 0.25  # of a core: what others have to use up before it counts as taken
_SHORTEST = 0.5  # seconds over which the use of cores can be told


class Load(NamedTuple):
    """What the cores of this process have done until a moment.

    Attributes:
        at: the moment, in seconds.
        busy: seconds that they were in use, of all cores together.
        ours: the part of it that this process and other trainings of this program had.
    """

    at: float
    busy: float
    ours: float


def decided(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether a person, or who started this process, has said how many threads it is to use."""
    given = [name for name in DECIDED if environment.get(name)]
    ours = environment.get(_OURS) == environment.get("OMP_NUM_THREADS")
    return bool(given) and not (ours and given == ["OMP_NUM_THREADS"])


def visible_cores() -> int:
    """Return the cores of this process's affinity, where the system has that, else of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_cores(root: Path = Path("/")) -> int:
    """Return the cores that this process may use: those of its affinity, fewer where its control group has a quota."""
    quota = cpu_quota(root)
    return visible_cores() if quota is None else max(1, min(visible_cores(), int(quota + 0.5)))


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return how many cores' worth of time control groups (v1 or v2) leave to this process; None where they do not.

    Args:
        root: of the file system, for tests.
    """
    found: list[float] = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        mounts = (controllers, "cpu") if "cpu" in controllers.split(",") else () if controllers else ("", "unified")
        for mount in mounts:
            top = root / "sys/fs/cgroup" / mount
            # Every group above has its say, also where the path is that of the host and only the top is here.
            below = [part for part in path.split("/") if part not in ("", "..")]
            for depth in range(len(below) + 1):
                found += _quota_at(top.joinpath(*below[:depth]))
    return min(found, default=None)


def _quota_at(folder: Path) -> list[float]:
    """The quota of a control group, if it has one."""
    both = _text(folder / "cpu.max").split() or [
        _text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")
    ]
    with suppress(ValueError, ZeroDivisionError):
        quota, period = map(int, both)  # "max" is no number
        if quota > 0:
            return [quota / period]
    return []


def threads_for(cores: int, trainings: int, foreign: float) -> int:
    """Return how many threads a training should use.

    Args:
        cores: that it may use.
        trainings: others of this program on them, each of which gets an equal share.
        foreign: cores that other programs are using.

    Example:
        >>> threads_for(8, 0, 0.2), threads_for(8, 1, 0.0), threads_for(8, 0, 5.9), threads_for(2, 3, 2.0)
        (8, 4, 2, 1)
    """
    return max(1, min(cores // (trainings + 1), cores - int(foreign + _SLACK)))


def limit_threads(environment: MutableMapping[str, str] = os.environ, root: Path = Path("/")) -> None:
    """Set ``OMP_NUM_THREADS`` where a quota leaves fewer cores than torch would start threads for.

    To be called before torch is imported. Without a quota the variable stays unset, so that torch chooses as ever.
    """
    if not decided(environment) and available_cores(root) < visible_cores():
        environment["OMP_NUM_THREADS"] = environment[_OURS] = str(available_cores(root))


def share_out(processes: int, environment: MutableMapping[str, str] = os.environ) -> int | None:
    """Return the threads of each of several processes that are about to be started, and set them for those.

    Returns:
        None where somebody else has decided.
    """
    if decided(environment):
        return None
    share = max(1, available_cores() // processes)
    environment["OMP_NUM_THREADS"] = str(share)
    environment.pop(_OURS, None)  # to the processes it is a decision
    return share


def other_trainings(proc: Path = Path("/proc")) -> list[int]:
    """Return the processes of this program that train on our cores and are not stopped, on Linux; else none."""
    found = []
    for folder in proc.glob("[0-9]*"):
        words = _text(folder / "cmdline").split("\0")
        if int(folder.name) != os.getpid() and is_training(words):
            state = _text(folder / "stat").rpartition(")")[2].split()[:1]
            if state and state[0] not in "TtZX" and _shares_cores(int(folder.name)):
                found.append(int(folder.name))
    return found


def is_training(words: Sequence[str]) -> bool:
    """Return whether a command line is that of a training of this program.

    Example:
        >>> is_training(["python", "-m", "eurosat_cls", "fit"]), is_training(["bash", "-c", "eurosat_cls fit"])
        (True, False)
    """
    for program, command in zip(words, [*words[1:], ""], strict=False):
        name = program.rpartition("/")[2]
        if program == "eurosat_cls.cli.trial" or (name in ("eurosat_cls", "eurosat-cls") and command == "fit"):
            return True
    return "fit" in words and any(word.endswith("eurosat_cls/__main__.py") for word in words)


def load() -> Load | None:
    """Return what our cores have done so far, on Linux; else None."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    busy = 0.0
    for line in _text(Path("/proc/stat")).splitlines():
        name, *ticks = line.split()
        if name in cores:
            user, nice, system, _, _, irq, soft, *_ = map(int, ticks)
            busy += user + nice + system + irq + soft
    ours = sum(_ticks(pid) for pid in (os.getpid(), *other_trainings()))
    tick = os.sysconf("SC_CLK_TCK")
    return Load(time.monotonic(), busy / tick, ours / tick)


def foreign_cores(before: Load | None, now: Load | None) -> float:
    """Return how many cores other programs have used between two moments; 0 where that cannot be told.

    Example:
        >>> foreign_cores(Load(0.0, 10.0, 4.0), Load(10.0, 25.0, 9.0))
        1.0
    """
    if before is None or now is None or now.at - before.at < _SHORTEST:
        return 0.0
    return max(0.0, (now.busy - before.busy - (now.ours - before.ours)) / (now.at - before.at))


def _ticks(pid: int) -> int:
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]) if len(fields) > 12 else 0  # user and system time


def _shares_cores(pid: int) -> bool:
    with suppress(OSError, AttributeError):
        return bool(os.sched_getaffinity(pid) & os.sched_getaffinity(0))
    return False


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
