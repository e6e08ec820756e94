"""Trials run in processes of their own: what becomes of them is known, whatever happens to them."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from eurosat_cls.search.configuration import Base
from eurosat_cls.search.queue import Queue
from eurosat_cls.search.space import Space
from eurosat_cls.utils.errors import UserError
from tests.search.conftest import X, acts

Work = Callable[..., list[FrozenTrial]]
MakeQueue = Callable[..., Queue]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["", "sqlite:///search.db"])
def test_every_trial_ends_with_its_best_metric(place: str, queue: MakeQueue, work: Work) -> None:
    ended = work(queue(Space([X]), 3, place=place), workers=2)
    assert sorted(trial.number for trial in ended) == [0, 1, 2]
    for trial in ended:
        assert trial.state == TrialState.COMPLETE
        assert trial.value == pytest.approx(3 * trial.params["x"])
        assert trial.user_attrs["metrics"] == {"val/accuracy": trial.value}
        assert trial.intermediate_values == pytest.approx({e: e * trial.params["x"] for e in (1, 2, 3)})


def test_a_killed_trial_is_continued_once_and_then_failed(queue: MakeQueue, work: Work) -> None:
    first = queue(acts("killed once", "killed"), 2, [{"act": "killed once"}, {"act": "killed"}])
    ended = {trial.params["act"]: trial for trial in work(first)}
    assert ended["killed once"].state == TrialState.COMPLETE
    folder = Path(ended["killed once"].user_attrs["folder"])
    assert folder.name == "trial_0", "it goes on in its own folder"
    assert (folder / "epochs.txt").read_text().split() == ["1", "2", "3"], "from its last checkpoint"
    assert ended["killed"].state == TrialState.FAIL
    assert "SIGKILL" in ended["killed"].user_attrs["reason"]
    assert "memory" in ended["killed"].user_attrs["reason"]
    assert len(first.study.trials) == 4, "two of them were put back"


@pytest.mark.parametrize(
    ("act", "reason"), [("memory", "MemoryError: cannot allocate 80 GB"), ("refused", "batch_size: 0 is no size")]
)
def test_a_failed_trial_keeps_its_reason_and_the_study_goes_on(
    act: str, reason: str, queue: MakeQueue, work: Work
) -> None:
    failed, trained = work(queue(acts(act, "train"), 2, [{"act": act}, {"act": "train"}]))
    assert failed.state == TrialState.FAIL
    assert failed.user_attrs["reason"] == reason
    assert trained.state == TrialState.COMPLETE


def test_a_full_disk_ends_the_search_and_the_trial_is_made_later(queue: MakeQueue, work: Work) -> None:
    asked = queue(acts("full once"), 1)
    with pytest.raises(UserError, match=r"the disk is full\. Free some space and start again"):
        work(asked)
    assert asked.finished() == []
    (trial,) = work(queue(acts("full once"), 1))
    assert trial.state == TrialState.COMPLETE
    assert (Path(trial.user_attrs["folder"]) / "epochs.txt").read_text().split() == ["1", "2", "3"]


def test_a_divergence_counts_as_a_bad_result(queue: MakeQueue, work: Work) -> None:
    (trial,) = work(queue(acts("diverged"), 1))
    assert trial.state == TrialState.PRUNED
    assert "loss is nan" in trial.user_attrs["reason"]


def test_an_unknown_metric_ends_the_search_with_the_nearest_names(queue: MakeQueue, work: Work, base: Base) -> None:
    object.__setattr__(base, "monitor", "val/acuracy")
    asked = queue(acts("unlogged"), 3)
    with pytest.raises(UserError, match="did you mean val/accuracy"):
        work(asked)
    assert asked.finished() == []


def test_a_search_that_only_fails_gives_up(queue: MakeQueue, work: Work) -> None:
    with pytest.raises(UserError, match=r"first 5 trials have all failed.*batch_size: 0 is no size"):
        work(queue(acts("refused"), 50))


def test_a_trial_that_is_behind_is_pruned(queue: MakeQueue, work: Work) -> None:
    points = [{"x": x} for x in (0.9, 0.8, 0.7, 0.6, 0.1)]
    ended = work(queue(Space([X]), 5, points, "median"))
    assert [trial.state for trial in ended] == [TrialState.COMPLETE] * 4 + [TrialState.PRUNED]
    assert (Path(ended[-1].user_attrs["folder"]) / "epochs.txt").read_text().split() == ["1"]
    assert ended[-1].user_attrs["best"] == pytest.approx(0.1)


def test_a_sample_that_was_drawn_before_is_not_trained_again(queue: MakeQueue, work: Work) -> None:
    ended = work(queue(acts("train"), 3))
    assert [trial.value for trial in ended] == [3.0] * 3
    assert {trial.user_attrs["folder"] for trial in ended} == {ended[0].user_attrs["folder"]}
    assert ended[2].user_attrs["same_as"] == 0


@pytest.mark.slow
def test_ctrl_c_ends_the_trials_and_the_next_start_continues_them(queue: MakeQueue, work: Work, tmp_path: Path) -> None:
    points = [{"act": "train"}, {"act": "slow"}]
    asked = queue(acts("train", "slow"), 2, points)
    epochs = tmp_path / "s" / "trial_1" / "epochs.txt"
    checkpoint = epochs.with_name("checkpoints") / "last.ckpt"

    def interrupt() -> None:
        while not (checkpoint.is_file() and asked.finished()):
            threading.Event().wait(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        work(asked, workers=2)
    assert len(asked.finished()) == 1
    (ended,) = work(queue(acts("train", "slow"), 2, points))
    assert ended.params == {"act": "slow"}
    assert epochs.read_text().split() == ["1", "2", "3"]


@pytest.mark.parametrize("name", ["my_best_run", "trial_7", "trial_7/.."])
def test_a_journal_of_others_names_no_folder_elsewhere(name: str, queue: MakeQueue, work: Work, tmp_path: Path) -> None:
    home = tmp_path / "home" / name.partition("/")[0]
    (home / "checkpoints").mkdir(parents=True)
    (home / "checkpoints" / "last.ckpt").write_text("2")
    asked = queue(acts("train"), 1)
    asked.study.add_trial(
        create_trial(
            state=TrialState.WAITING, params={"act": "train"}, user_attrs={"folder": str(tmp_path / "home" / name)},
            distributions={"act": CategoricalDistribution(["train"])},
        )
    )  # fmt: skip
    (trial,) = work(asked)
    assert Path(trial.user_attrs["folder"]).parent == tmp_path / "s"
    assert [path.name for path in home.iterdir()] == ["checkpoints"]


def test_a_journal_of_others_names_no_lock_elsewhere(queue: MakeQueue, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("my thesis")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / f".{'0' * 16}.lock").write_text("my thesis")
    owner, host = queue(acts("train"), 1).owner, socket.gethostname()
    for lock in ("thesis.txt", f"elsewhere/.{'0' * 16}.lock"):
        assert not owner.is_gone(0, {"host": host, "lock": str(tmp_path / lock)}, 0)
        assert (tmp_path / lock).read_text() == "my thesis"
    for tag in ("x", {"host": host}, {"host": host, "lock": 5}, [1]):
        assert not owner.is_gone(0, tag, 0)
