"""Train, kill the training with SIGKILL at random moments, go on, and compare with a training that was left alone.

A script of its own, because every training is a fork of a process that has imported everything and runs no threads:

    python -m tests.end_to_end.killing FOLDER SEED KILLS argument...
"""

import csv
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback

import eurosat_cls.cli.run  # noqa: F401 - what main imports when it runs; forks shall not each do it anew
from eurosat_cls.cli import main

LOGS = Path("lightning_logs")


class Ticks:
    """Counts moments of a training in which it may be killed; at a given one it is.

    Moments are the starts and ends of batches, and of everything that writes a checkpoint: each block of bytes that has
    reached the file, each flush, link and rename, before and after.
    """

    def __init__(self, deadly: int) -> None:
        self.deadly, self.count = deadly, 0

    def __call__(self) -> None:
        self.count += 1
        if self.count == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def ticking(*args: Any, **kwargs: Any) -> Any:
            self()
            result = function(*args, **kwargs)
            self()
            return result

        return ticking

    def write(self, content: Any, target: Any) -> None:
        """Save as torch does, block by block."""
        if not hasattr(target, "write"):
            with open(target, "wb") as stream:
                self.write(content, stream)
            return
        _save(content, _Blocks(target, self))

    def install(self) -> None:
        torch.save = self.write
        for name in ("replace", "fsync", "link"):
            setattr(os, name, self.around(getattr(os, name)))
        for name in ("on_train_batch_start", "on_train_batch_end", "on_validation_batch_end", "on_train_epoch_end"):
            setattr(Moments, name, lambda *args: self())


_save = torch.save


class _Blocks:
    def __init__(self, stream: Any, ticks: Ticks) -> None:
        self.stream, self.ticks = stream, ticks

    def write(self, block: Any) -> int:
        written: int = self.stream.write(block)
        self.stream.flush()
        self.ticks()
        return written

    def flush(self) -> None:
        self.stream.flush()


class Moments(Callback):
    """Gets the hooks that count."""


def train(folder: Path, arguments: list[str], tick: int = 0, seconds: float | None = None) -> tuple[int, int]:
    """Train in a fork until the end, a tick or a time; return its status and the ticks that it reached."""
    folder.mkdir(exist_ok=True)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        ticks = Ticks(tick)
        ticks.install()
        last = list(LOGS.glob("*/checkpoints/last.ckpt"))
        try:
            main(["fit", *arguments, *(["--ckpt_path", "last"] if last else [])])
            os.write(writing, str(ticks.count).encode())
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    os.close(writing)
    timer = None if seconds is None else threading.Timer(seconds, os.kill, (child, signal.SIGKILL))
    if timer is not None:
        timer.start()
    _, status = os.waitpid(child, 0)
    if timer is not None:
        timer.cancel()
        timer.join()
    with open(reading, "rb") as stream:
        return os.waitstatus_to_exitcode(status), int(stream.read() or 0)


def result(folder: Path) -> dict[str, Any]:
    """What a finished training has left: checkpoints and the metrics of every epoch, but for speed and git's state."""
    run = next((folder / LOGS).glob("*/checkpoints/last.ckpt")).parent.parent
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    found: dict[str, Any] = {"files": " ".join(names)}
    for name in ("last.ckpt", "best.ckpt"):
        content = torch.load(run / "checkpoints" / name, weights_only=True)
        content["run"].pop("git")  # somebody may commit meanwhile
        found |= dict(_flat(content, name))
    with open(run / "metrics.csv", newline="") as stream:
        for row in csv.DictReader(stream):
            found |= {f"{key} {row['epoch']}": value for key, value in row.items() if "images_per" not in key}
    return found


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (dict, list, tuple)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(part, f"{name}/{key}")
    else:
        yield name, value


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Names of what is not identical."""

    def same(a: Any, b: Any) -> bool:
        return torch.equal(a, b) if isinstance(a, torch.Tensor) else bool(a == b)

    shared = ours.keys() & theirs.keys()
    return sorted(ours.keys() ^ theirs.keys()) + sorted(k for k in shared if not same(ours[k], theirs[k]))


def kill_often(folder: Path, seed: int, kills: int, arguments: list[str]) -> dict[str, Any]:
    """Kill trainings, half of the times at a moment, half at a time, and let each end; report what differed."""
    draw = random.Random(seed)
    start = time.monotonic()
    code, moments = train(folder / "whole", arguments)
    seconds = time.monotonic() - start
    report: dict[str, Any] = {"seed": seed, "code": code, "moments": moments, "killed": [], "differences": []}
    if code:
        return report
    whole, number = result(folder / "whole"), 0
    while len(report["killed"]) < kills:
        number += 1
        while True:
            spare = len(report["killed"]) >= kills
            by_time = not spare and draw.random() < 0.5
            tick = 0 if spare or by_time else draw.randint(1, moments // 2)
            code, _ = train(folder / str(number), arguments, tick, draw.uniform(0, seconds) if by_time else None)
            if code != -signal.SIGKILL:
                break
            report["killed"].append(f"tick {tick}" if tick else "time")
        if code:
            report["differences"].append(f"training {number} ended with {code}")
            return report
        report["differences"] += differences(whole, result(folder / str(number)))
    return report


if __name__ == "__main__":
    place, seed, kills, *given = sys.argv[1:]
    print(json.dumps(kill_often(Path(place), int(seed), int(kills), given)))
