"""Several processes share a study: nothing is lost, nothing runs twice."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from eurosat_cls.search.queue import OWNER, Queue
from eurosat_cls.search.space import Space
from tests.search.conftest import X, acts

MakeQueue = Callable[..., Queue]


def complete(queue: Queue, trial: optuna.Trial | None, value: float = 0.5) -> None:
    assert trial is not None
    queue.end(trial, TrialState.COMPLETE, {}, value)


def test_two_processes_make_every_point_once_and_no_more(queue: MakeQueue) -> None:
    points: list[Any] = [{"act": name} for name in "abcde"]
    first, second = (queue(acts(*"abcde"), 5, points) for _ in range(2))
    made = [worker.next() for worker in (first, second, first, second, first)]
    assert sorted(trial.params["act"] for trial in made if trial) == list("abcde")
    assert first.next() is None
    assert second.next() is None
    assert first.finished() == []
    for worker, trial in zip((first, second, first, second, first), made, strict=True):
        complete(worker, trial)
    assert len(second.finished()) == 5


def test_processes_that_ask_at_once_do_not_exceed_the_target(queue: MakeQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = [queue(Space([X]), 1) for _ in range(2)]
    together = threading.Barrier(len(workers), timeout=60)  # both have seen that no trial runs when either starts one
    for worker in workers:
        ask = worker.study.ask
        monkeypatch.setattr(worker.study, "ask", lambda ask=ask: (together.wait(), ask())[1])
    with ThreadPoolExecutor(len(workers)) as pool:
        made = list(pool.map(Queue.next, workers))
    assert sum(trial is not None for trial in made) == 1


def test_the_trial_of_a_dead_process_is_made_again_with_its_parameters(queue: MakeQueue) -> None:
    first, second = queue(Space([X]), 2), queue(Space([X]), 2)
    trial = first.next()
    assert trial is not None
    trial.report(0.3, 1)
    assert second.next().params != trial.params  # type: ignore[union-attr]
    assert second.next() is None, "the first process is alive"
    first.owner.close()
    first.owner.path.touch()  # as after SIGKILL: there, and free
    again = second.next()
    assert again is not None
    assert again.params == trial.params
    assert second.study.trials[again.number].intermediate_values == {1: 0.3}
    assert second.next() is None


def test_a_process_of_another_machine_is_given_up_when_its_beat_stands_still(
    queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = queue(acts("a"), 1), queue(acts("a"), 1)
    trial = first.next()
    assert trial is not None
    trial.set_user_attr(OWNER, {"host": "elsewhere", "lock": str(first.owner.path)})
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert second.next() is None
    now[0] += 200
    first.heartbeat()
    assert second.next() is None
    now[0] += 200
    assert second.next() is None, "it has beaten since"
    now[0] += 200
    assert second.next() is not None


def test_a_longer_search_goes_on_from_the_shorter_one(queue: MakeQueue) -> None:
    short = queue(Space([X]), 2)
    for _ in range(2):
        complete(short, short.next())
    assert short.next() is None
    longer = queue(Space([X]), 3)
    complete(longer, longer.next())
    assert longer.next() is None
    assert [trial.number for trial in longer.finished()] == [0, 1, 2]
