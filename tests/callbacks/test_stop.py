"""A training ends when it has what was asked for, and says why."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from eurosat_cls import UserError
from eurosat_cls.callbacks import StopAtTarget
from tests.callbacks.finders.test_undoable_steps import assert_same

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")
SIX = ("--trainer.max_epochs", "6")


def callbacks(*given: tuple[str, dict[str, Any]]) -> tuple[str, str]:
    parts = [{"class_path": name, "init_args": settings} for name, settings in given]
    return ("--trainer.callbacks", json.dumps(parts))


def target(**settings: Any) -> tuple[str, str]:
    return callbacks(("StopAtTarget", settings))


def patience(number: int = 1, **settings: Any) -> tuple[str, dict[str, Any]]:
    # by no more than 10 does the loss improve: every epoch but the first is one without improvement
    return ("EarlyStopping", {"monitor": "val/loss", "patience": number, "min_delta": 10.0, **settings})


def epochs() -> int:
    done: int = torch.load(RUN / "checkpoints/last.ckpt", weights_only=True)["epoch"]
    return done + 1


def test_a_reached_target_ends_the_training_and_is_told_and_recorded(run: Run) -> None:
    code, printed = run("fit", *SIX, *target(monitor="val/loss", value=100.0))
    assert code == 0, printed
    assert epochs() == 1
    (line,) = [line for line in printed.splitlines() if line.startswith("stopped")]
    assert line.startswith("stopped after epoch 1 of 6: val/loss reached ")
    assert line.endswith("(target 100)")
    record = json.loads((RUN / "stopped.json").read_text())
    assert record["by"] == "StopAtTarget"
    assert (record["epoch"], record["max_epochs"], record["step"]) == (1, 6, 3)
    assert record["reason"] in line
    assert (RUN / "checkpoints/best.ckpt").is_file()


@pytest.mark.usefixtures("trained")
def test_a_target_out_of_reach_changes_nothing(run: Run) -> None:
    code, printed = run("fit", *target(value=1.5))
    assert code == 0
    assert "stopped" not in printed
    assert not (RUN.with_name("version_1") / "stopped.json").exists()
    one, other = (torch.load(RUN.with_name(f"version_{n}") / "checkpoints/last.ckpt") for n in (0, 1))
    assert_same(one["state_dict"], other["state_dict"])


@pytest.mark.slow
def test_a_continued_training_ends_at_once_unless_more_is_asked_of_it(run: Run) -> None:
    assert run("fit", *SIX, *target(monitor="val/accuracy", value=0.0))[0] == 0
    code, printed = run("fit", *SIX, *target(monitor="val/accuracy", value=0.0), "--ckpt_path", "last")
    assert code == 0, printed
    assert "stopped after epoch 1 of 6: val/accuracy had reached" in printed
    assert epochs() == 1
    code, printed = run("fit", *SIX, *target(monitor="val/accuracy", value=1.5), "--ckpt_path", "last")
    assert code == 0, printed
    assert epochs() == 6
    assert not (RUN / "stopped.json").exists()


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [("val/accuracy", "max"), ("val/loss", "min"), ("val/calibration_error", "min"), ("val/macro_f1", "max")],
)
def test_the_direction_follows_from_the_name(monitor: str, mode: str) -> None:
    assert StopAtTarget(monitor).mode == mode
    assert StopAtTarget(monitor, mode="max").mode == "max"


def test_no_number_is_refused_and_no_number_reaches_nothing() -> None:
    with pytest.raises(UserError, match="not a number"):
        StopAtTarget(value=float("nan"))
    assert not StopAtTarget()._reaches(float("nan"))


@pytest.mark.parametrize("name", ["StopAtTarget", "EarlyStopping"])
def test_a_metric_that_is_not_logged_is_told_in_a_line(name: str, run: Run) -> None:
    code, printed = run("fit", *callbacks((name, {"monitor": "val/acuracy"})))
    assert code == 2
    line = printed.splitlines()[-1]
    assert f"{name}.monitor: 'val/acuracy' is not logged; there are val/accuracy, " in line


def test_a_wrong_name_is_told_before_the_first_epoch(run: Run) -> None:
    code, printed = run("fit", "--trainer.num_sanity_val_steps", "1", *target(monitor="accuracy"))
    assert code == 2
    assert "'accuracy' is not logged" in printed
    assert "epoch 1/" not in printed


def test_patience_ends_the_training_and_is_told_and_recorded(run: Run) -> None:
    code, printed = run("fit", *SIX, *callbacks(patience(2)))
    assert code == 0, printed
    assert epochs() == 3
    (line,) = [line for line in printed.splitlines() if line.startswith("stopped")]
    assert line.startswith(
        "stopped after epoch 3 of 6: Monitored metric val/loss did not improve in the last 2 records"
    )
    assert json.loads((RUN / "stopped.json").read_text())["by"] == "EarlyStopping"


def test_patience_goes_on_after_a_resume(run: Run) -> None:
    crash = ("tests.end_to_end.crash.Crash", {"epoch": 2})
    with pytest.raises(RuntimeError, match="on purpose"):
        run("fit", *SIX, *callbacks(patience(3), crash))
    assert epochs() == 2
    code, printed = run("fit", *SIX, *callbacks(patience(3)), "--ckpt_path", "last")
    assert code == 0, printed
    assert epochs() == 4  # as without the interruption
    assert "stopped after epoch 4 of 6" in printed


@pytest.mark.slow
def test_an_earlier_reason_is_not_told_again_of_a_training_that_goes_on_to_its_end(run: Run) -> None:
    assert run("fit", *SIX, *callbacks(patience(1)))[0] == 0
    assert epochs() == 2
    code, printed = run("fit", *SIX, *callbacks(patience(1, min_delta=-10.0)), "--ckpt_path", "last")
    assert code == 0, printed
    assert epochs() == 6
    assert "stopped" not in printed
    assert not (RUN / "stopped.json").exists()


def test_a_training_killed_while_it_was_about_to_stop_trains_no_further(run: Run) -> None:
    assert run("fit", *SIX, *callbacks(patience(1)))[0] == 0
    (RUN / "stopped.json").unlink()  # as it is between the last checkpoint and the end
    code, printed = run("fit", *SIX, *callbacks(patience(1)), "--ckpt_path", "last")
    assert code == 0, printed
    assert epochs() == 2
    assert "stopped after epoch 2 of 6: val/loss had not improved" in printed


def test_used_up_time_is_a_reason(run: Run) -> None:
    code, printed = run("fit", "--trainer.max_epochs", "500", "--trainer.max_time", '{"seconds": 1}')
    assert code == 0, printed
    assert "trainer.max_time is used up" in printed
    assert json.loads((RUN / "stopped.json").read_text())["by"] == "Timer"
