"""A study on the spot, and trials that take a tenth of a second."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial

from eurosat_cls.search.configuration import Base
from eurosat_cls.search.queue import Queue
from eurosat_cls.search.runner import Runner
from eurosat_cls.search.space import Entry, Params, Range, Space, choice
from eurosat_cls.search.study import open_storage, open_study, pruner_of, sampler_of
from eurosat_cls.search.worker_lock import WorkerLock
from tests.conftest import REPOSITORY

X = Entry(("x",), "x", Range(0.0, 1.0))
WHAT = {"kind": "sampled", "space": {}, "settings": {}}


def acts(*names: str) -> Space:
    """A space whose trials behave in these ways."""
    return Space([Entry(("act",), "act", choice(names, "act"))])


@pytest.fixture(autouse=True)
def _found_by_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


@pytest.fixture
def base() -> Base:
    trainer = {"accelerator": "cpu", "devices": "auto", "max_epochs": 3, "default_root_dir": None}
    return Base((), {"trainer": trainer}, "val/accuracy", "max", lambda arguments, overlay: {})


@pytest.fixture
def owners(tmp_path: Path) -> Iterator[Callable[[], WorkerLock]]:
    """Make what stands for a process."""
    made: list[WorkerLock] = []

    def make() -> WorkerLock:
        made.append(WorkerLock(tmp_path))
        return made[-1]

    yield make
    for owner in made:
        owner.close()


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., optuna.Study]:
    """Open the study of a test, as every process does."""

    def make(pruner: Any = "none", place: str = "") -> optuna.Study:
        storage = open_storage(place or str(tmp_path / "journal.log"))
        return open_study("s", storage, WHAT, "max", sampler_of(0), pruner_of(pruner, 3))

    return make


@pytest.fixture
def queue(study: Callable[..., optuna.Study], owners: Callable[[], WorkerLock]) -> Callable[..., Queue]:
    def make(
        space: Space, target: int, points: list[Params] | None = None, pruner: str = "none", place: str = ""
    ) -> Queue:
        return Queue(study(pruner, place), space, target, owners(), points)

    return make


@pytest.fixture
def work(base: Base, tmp_path: Path) -> Callable[..., list[FrozenTrial]]:
    """Work on a queue until it is empty; return the trials in the order in which they ended."""

    def run(queue: Queue, workers: int = 1) -> list[FrozenTrial]:
        ended: list[FrozenTrial] = []
        Runner(queue, base, tmp_path / "s", workers, False, ended.append, "tests.search.quick_trial").run()
        return ended

    return run
