"""What a configuration leaves open follows from its metrics and its schedule; what contradicts them is refused."""

import json
from typing import Any

import pytest

from eurosat_cls.cli.settle import settle
from eurosat_cls.utils.errors import UserError
from tests.config.parsers import composed
from tests.conftest import CONFIGS

BASE = ["fit", "--config", str(CONFIGS / "folder.yaml")]
PLATEAU = "torch.optim.lr_scheduler.ReduceLROnPlateau"
LIGHTNINGS = "lightning.pytorch.cli.ReduceLROnPlateau"
ECE = {"ece": {"class_path": "torchmetrics.classification.MulticlassCalibrationError"}}
SPECIFIC = {"specificity": {"class_path": "torchmetrics.classification.MulticlassSpecificity"}}


def stopping(name: str, **settings: Any) -> tuple[str, str]:
    return ("--trainer.callbacks", json.dumps([{"class_path": name, "init_args": settings}]))


def schedule(name: str, **settings: Any) -> tuple[str, str]:
    return ("--model.init_args.lr_scheduler", json.dumps({"class_path": name, "init_args": settings}))


def settled(*options: str) -> tuple[Any, list[str]]:
    config, composition = composed(*BASE, *options)
    return config, settle(config, composition.tree)


def metrics(of: dict[str, Any]) -> tuple[str, str]:
    return ("--model.init_args.metrics", json.dumps(of))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("monitor", "own", "mode"),
    [
        ("val/accuracy", {}, "max"),
        ("val/loss", {}, "min"),
        ("train/macro_f1", {}, "max"),
        ("val/ece", ECE, "min"),
        ("val/specificity", SPECIFIC, "max"),
        ("val/hamming", {"hamming": {"class_path": "torchmetrics.classification.MulticlassHammingDistance"}}, "min"),
    ],
)
def test_what_watches_a_metric_takes_its_direction(monitor: str, own: dict[str, Any], mode: str) -> None:
    options = (*metrics(own), *schedule(PLATEAU), "--model.init_args.lr_scheduler_monitor", monitor)
    config, _ = settled(*options, *stopping("EarlyStopping", monitor=monitor))
    assert config.trainer.callbacks[0].init_args.mode == mode
    assert config.model.init_args.lr_scheduler.init_args.mode == mode


@pytest.mark.slow
@pytest.mark.parametrize("name", ["EarlyStopping", "StopAtTarget", "ModelCheckpoint"])
def test_a_contradiction_is_refused_with_its_place(name: str) -> None:
    with pytest.raises(UserError, match=r"callbacks\[0\]\.init_args\.mode: 'min' contradicts val/accuracy, of"):
        settled(*stopping(name, monitor="val/accuracy", mode="min"))
    config, _ = settled(*stopping(name, monitor="val/accuracy", mode="max"))
    assert config.trainer.callbacks[0].init_args.mode == "max"


@pytest.mark.slow
def test_contradictions_elsewhere_are_refused() -> None:
    with pytest.raises(UserError, match="'min' contradicts val/accuracy"):
        settled("--checkpoint.mode", "min")
    with pytest.raises(UserError, match="'max' contradicts val/loss"):
        settled(*schedule(PLATEAU, mode="max"))
    with pytest.raises(UserError, match=r"--trainer.callbacks.mode: .*'max' contradicts val/loss"):
        settled(*stopping("EarlyStopping", monitor="val/loss"), "--trainer.callbacks.mode", "max")


def test_the_metric_of_lightnings_plateau_counts() -> None:
    config, _ = settled(*schedule(LIGHTNINGS, monitor="val/accuracy"))
    assert config.model.init_args.lr_scheduler.init_args.mode == "max"


def test_what_nobody_knows_is_left_alone() -> None:
    config, _ = settled(*stopping("EarlyStopping", monitor="val/mine"))
    assert config.trainer.callbacks[0].init_args.mode == "min"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "interval"),
    [
        (("OneCycleLR", {"max_lr": 0.1}), "step"),
        (("OneCycleLR", {"max_lr": 0.1, "total_steps": 100}), "step"),
        (("StepLR", {"step_size": 7}), "epoch"),
        (("CosineAnnealingLR", {"T_max": 60}), "epoch"),
        (("MultiStepLR", {"milestones": [30]}), "epoch"),
        ((LIGHTNINGS, {"monitor": "val/accuracy"}), "epoch"),
    ],
)
def test_schedules_that_know_no_steps_count_epochs(given: tuple[str, dict[str, Any]], interval: str) -> None:
    name, settings = given
    config, lines = settled(*schedule(name, **settings))
    assert config.model.init_args.lr_scheduler_interval == interval
    short = name.rpartition(".")[2]
    assert lines == [f"learning-rate schedule: {short}, advanced after every {interval} (model.lr_scheduler_interval)"]
    config, lines = settled(*schedule(name, **settings), "--model.init_args.lr_scheduler_interval", "step")
    assert config.model.init_args.lr_scheduler_interval == "step"
    assert not lines
