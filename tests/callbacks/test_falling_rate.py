"""A rate that falls to nothing at the start of a training is noticed; one that falls as planned is not."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

Run = Callable[..., tuple[int, str]]


def schedule(name: str, interval: str, **settings: Any) -> list[str]:
    spec = json.dumps({"class_path": name, "init_args": settings})
    plain = json.dumps({"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}})
    return ["--model.init_args.lr_scheduler", spec, "--model.init_args.lr_scheduler_interval", interval,
            "--model.init_args.optimizer", plain]  # fmt: skip


def fit(run: Run, *options: str) -> list[str]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        code, printed = run("fit", "--trainer.max_epochs", "6", "--data.init_args.batch_size", "20",
                            "--data.init_args.patches_per_class", "10", "--trainer.limit_val_batches", "1",
                            *options)  # fmt: skip
    assert code == 0, printed
    return [str(each.message) for each in seen if "learning rate has fallen" in str(each.message)]


def test_a_schedule_in_epochs_that_steps_is_noticed(run: Run) -> None:
    (said,) = fit(run, *schedule("StepLR", "step", step_size=1, gamma=1e-4))
    assert said.startswith("the learning rate has fallen from 0.1 to 1e-05 after 1 of 18 steps")
    assert "lr_scheduler_interval is step" in said


def test_the_same_schedule_in_epochs_and_one_of_the_whole_training_are_not(run: Run) -> None:
    assert not fit(run, *schedule("StepLR", "auto", step_size=7))
    config = yaml.safe_load(Path("lightning_logs/version_0/config.yaml").read_text())
    assert config["model"]["init_args"]["lr_scheduler_interval"] == "epoch"
    rates = torch.load("lightning_logs/version_0/checkpoints/last.ckpt")["optimizer_states"][0]["param_groups"]
    assert rates[0]["lr"] == pytest.approx(0.1)
    assert not fit(run, *schedule("OneCycleLR", "auto", max_lr=0.1))
