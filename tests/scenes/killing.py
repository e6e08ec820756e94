"""Kill mappings at random moments, in a process of its own that has run nothing before it forks.

python -m tests.scenes.killing MODEL SCENE FOLDER SEED RUNS
"""

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eurosat_cls import map_scene
from eurosat_cls.models.loading import load
from eurosat_cls.scenes.settings import MapOptions
from eurosat_cls.scenes.work import Work

OPTIONS = MapOptions(window=32, step=8, batch_size=20, strip_rows=40)
RESULTS = ("classes.tif", "probabilities.tif", "areas.csv")


def results(folder: Path) -> dict[str, bytes]:
    """Bytes of all that must not differ."""
    return {name: (folder / name).read_bytes() for name in RESULTS}


def in_a_fork(action: Callable[[], object], deadly: int) -> tuple[int, int]:
    """Run something in a fork that dies at a moment; return how it ended and how many moments it had.

    Moments are before and after every flush, every rename, and every time that what is known is committed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def tick() -> None:
            nonlocal count
            count += 1
            if count == deadly:
                os.kill(os.getpid(), signal.SIGKILL)

        def around(function: Callable[..., Any]) -> Callable[..., Any]:
            def ticking(*args: Any, **kwargs: Any) -> Any:
                tick()
                result = function(*args, **kwargs)
                tick()
                return result

            return ticking

        for name in ("replace", "fsync"):
            setattr(os, name, around(getattr(os, name)))
        Work.commit = around(Work.commit)  # type: ignore[method-assign]
        status = 1
        try:
            action()
            os.write(writing, str(count).encode())
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with open(reading, "rb") as stream:
        return os.waitstatus_to_exitcode(status), int(stream.read() or 0)


def kill_often(model: Path, scene: Path, place: Path, seed: int, runs: int) -> dict[str, Any]:
    """Kill mappings up to three times each, and let each end; report what differed."""

    def mapping(out: Path) -> Callable[[], object]:
        return lambda: map_scene(load(model), scene, out, options=OPTIONS)

    code, moments = in_a_fork(mapping(place / "whole"), 0)
    report: dict[str, Any] = {"moments": moments, "killed": 0, "problems": [] if code == 0 else [f"ended with {code}"]}
    if code:
        return report
    (whole,) = (place / "whole").iterdir()
    draw = random.Random(seed)
    for run in range(runs):
        out = place / str(run)
        for kill in range(3):
            code, _ = in_a_fork(mapping(out), draw.randint(1, moments - 1 if kill == 0 else moments // 2))
            report["killed"] += code == -signal.SIGKILL
        code, _ = in_a_fork(mapping(out), 0)
        (folder,) = out.iterdir()
        if code or results(folder) != results(whole):
            report["problems"].append(f"run {run} ended with {code} and other bytes")
        left = [path.name for path in folder.iterdir() if path.name.endswith(".part") or path.name == ".work"]
        report["problems"] += [f"run {run} left {name}" for name in left]
    return report


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:4]]
    print(json.dumps(kill_often(given[0], given[1], given[2], int(sys.argv[4]), int(sys.argv[5]))))
