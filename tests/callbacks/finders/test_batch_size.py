"""A batch size is found without a trace, and is trained with, now or later."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from eurosat_cls.callbacks.finders import batch_sizes
from eurosat_cls.checkpoints.files import RUN
from tests.callbacks.finders.test_undoable_steps import assert_same

Run = Callable[..., tuple[int, str]]
LOGS = Path("lightning_logs")
FOUND = LOGS / "batch_size_find"


@pytest.fixture(autouse=True)
def _certain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 16 be the quickest of 8, 16 and 32, whatever this machine does; the steps are taken all the same."""
    measure = batch_sizes._seconds

    def seconds(trainer: Any, module: Any, data: Any, device: Any) -> float:
        assert measure(trainer, module, data, device) > 0
        return float({8: 0.1, 16: 0.1, 32: 0.4}[data.batch_size])

    monkeypatch.setattr(batch_sizes, "SECONDS", 0.0)
    monkeypatch.setattr(batch_sizes, "_seconds", seconds)


def finder(**settings: Any) -> str:
    settings = {"largest": 32, **settings}
    return json.dumps([{"class_path": "eurosat_cls.callbacks.BatchSizeFinder", "init_args": settings}])


def checkpoint(version: int) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(LOGS / f"version_{version}/checkpoints/last.ckpt", weights_only=True)
    return loaded


def test_the_command_recommends_and_leaves_no_run(run: Run) -> None:
    code, printed = run("batch_size_find", "--largest", "32")
    assert code == 0, printed
    assert sorted(path.name for path in FOUND.iterdir()) == ["batch_size.json", "batch_size.png", "batch_size.yaml"]
    assert [path.name for path in LOGS.iterdir()] == ["batch_size_find"]
    values = json.loads((FOUND / "batch_size.json").read_text())
    assert values["recommended"] == 16
    assert values["largest"] == 32
    assert [trial["batch_size"] for trial in values["trials"]] == [8, 16, 32]
    assert "recommended batch size 16, largest 32 (no larger ones asked for)" in printed
    assert yaml.safe_load((FOUND / "batch_size.yaml").read_text()) == {"data": {"init_args": {"batch_size": 16}}}


@pytest.mark.slow
def test_training_with_a_finder_is_training_with_its_overlay(run: Run) -> None:
    assert run("batch_size_find", "--largest", "32")[0] == 0
    assert run("fit", "--config", str(FOUND / "batch_size.yaml"))[0] == 0
    code, printed = run("fit", "--trainer.callbacks", finder())
    assert code == 0, printed
    one, other = checkpoint(0), checkpoint(1)
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "loops"):
        assert_same(one[key], other[key])
    assert one["lr_schedulers"][0]["total_steps"] == 2 * (120 // 16)


@pytest.mark.usefixtures("trained")
def test_a_finder_that_only_looks_changes_nothing(run: Run) -> None:
    assert run("fit", "--trainer.callbacks", finder(apply=False))[0] == 0
    one, other = checkpoint(0), checkpoint(1)
    assert (LOGS / "version_1/batch_size.png").is_file()
    other["callbacks"].pop("BatchSizeFinder")
    for each in (one, other):
        each.pop(RUN)  # tells of the configuration, which has a finder or not
    assert_same(one, other)


@pytest.mark.slow
def test_a_resumed_training_keeps_its_batch_size(run: Run) -> None:
    three = ("--trainer.max_epochs", "3")
    assert run("fit", *three, "--trainer.callbacks", finder())[0] == 0
    crash = json.dumps(
        [*json.loads(finder()), {"class_path": "tests.end_to_end.crash.Crash", "init_args": {"epoch": 1}}]
    )
    with pytest.raises(RuntimeError, match="on purpose"):
        run("fit", *three, "--trainer.callbacks", crash)
    code, printed = run("fit", *three, "--trainer.callbacks", finder(), "--ckpt_path", "last")
    assert code == 0, printed
    assert "recommended" not in printed
    one, other = checkpoint(0), checkpoint(1)
    for key in ("state_dict", "optimizer_states", "lr_schedulers"):
        assert_same(one[key], other[key])


@pytest.mark.slow
def test_both_finders_work_one_after_the_other(run: Run) -> None:
    rate = {"class_path": "eurosat_cls.callbacks.LearningRateFinder", "init_args": {"steps": 30, "min_lr": 1e-4}}
    code, printed = run("fit", "--trainer.callbacks", json.dumps([rate, *json.loads(finder())]))
    assert code == 0, printed
    assert run("batch_size_find", "--largest", "32")[0] == 0
    overlay = ("--config", str(FOUND / "batch_size.yaml"))
    assert run("lr_find", *overlay, "--steps", "30", "--min_lr", "1e-4")[0] == 0
    found = json.loads((LOGS / "lr_find/lr_find.json").read_text())
    assert found["loss"] == json.loads((LOGS / "version_0/lr_find.json").read_text())["loss"]


def test_mistakes_are_told_in_a_line(run: Run) -> None:
    Path("taken").write_text("a file")
    for arguments, message in (
        (["--smallest", "0"], "1 <= smallest <= largest"),
        (["--smallest", "4096"], "fewer than a batch of 4096"),
        (["--largest", "8", "--output", "taken/below"], "cannot be written"),
    ):
        code, printed = run("batch_size_find", *arguments)
        assert code == 2
        assert message in printed.splitlines()[-1]
