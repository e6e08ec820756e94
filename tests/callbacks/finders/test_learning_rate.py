"""A learning rate is found without a trace, and is trained with, now or later."""

import json
import re
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from eurosat_cls import Trainer
from eurosat_cls.callbacks import LearningRateFinder
from eurosat_cls.data import Demo
from eurosat_cls.decoders import ConvolutionalReconstruction
from eurosat_cls.encoders import ResNet
from eurosat_cls.models.autoencoder import AutoEncoder
from tests.callbacks.finders.test_undoable_steps import assert_same
from tests.conftest import BARE, CONFIGS, CURVES, REAL_ZIP, exit_code

Run = Callable[..., tuple[int, str]]
LOGS = Path("lightning_logs")
FOUND = LOGS / "lr_find"
TEST = ("--steps", "30", "--min_lr", "1e-4")


def finder(**settings: Any) -> str:
    settings = {"steps": 30, "min_lr": 1e-4, **settings}
    return json.dumps([{"class_path": "eurosat_cls.callbacks.LearningRateFinder", "init_args": settings}])


def checkpoint(version: int) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(LOGS / f"version_{version}/checkpoints/last.ckpt", weights_only=True)
    return loaded


def test_the_command_suggests_and_leaves_no_run(run: Run) -> None:
    code, printed = run("lr_find", *TEST)
    assert code == 0, printed
    assert sorted(path.name for path in FOUND.iterdir()) == ["lr_find.json", "lr_find.png", "lr_find.yaml"]
    assert [path.name for path in LOGS.iterdir()] == ["lr_find"]
    assert [path.name for path in Path().iterdir() if path.suffix != ".yaml"] == ["lightning_logs"]
    values = json.loads((FOUND / "lr_find.json").read_text())
    assert values["learning_rate"][0] == pytest.approx(1e-4)
    assert len(values["learning_rate"]) == len(values["loss"]) == len(values["smoothed_loss"]) <= 30
    assert values["suggestion"] == values["highest"] > values["steepest"]
    assert f"suggested max_lr of the schedule {values['suggestion']:g}" in printed
    overlay = yaml.safe_load((FOUND / "lr_find.yaml").read_text())["model"]["init_args"]
    assert overlay["optimizer"]["class_path"] == "torch.optim.SGD"
    assert overlay["optimizer"]["init_args"] == {"lr": values["steepest"]}
    assert overlay["lr_scheduler"]["init_args"] == {"max_lr": values["highest"]}


@pytest.mark.slow
def test_the_same_test_gives_the_same_losses(run: Run) -> None:
    losses = []
    for _ in range(2):
        assert run("lr_find", *TEST)[0] == 0
        losses.append(json.loads((FOUND / "lr_find.json").read_text())["loss"])
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_training_with_a_finder_is_training_with_its_overlay(run: Run) -> None:
    assert run("lr_find", *TEST)[0] == 0
    code, printed = run("fit", "--config", str(FOUND / "lr_find.yaml"))
    assert code == 0, printed
    code, printed = run("fit", "--trainer.callbacks", finder())
    assert code == 0, printed
    assert "suggested max_lr" in printed
    assert (LOGS / "version_1/lr_find.yaml").read_text() == (FOUND / "lr_find.yaml").read_text()
    one, other = checkpoint(0), checkpoint(1)
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "loops"):
        assert_same(one[key], other[key])
    groups = one["optimizer_states"][0]["param_groups"]
    assert groups[0]["max_lr"] == json.loads((FOUND / "lr_find.json").read_text())["highest"]
    assert groups[0]["weight_decay"] == 1e-3  # the overlay keeps what else is configured
    for key in ("optimizer", "lr_scheduler"):
        assert_same(one["hyper_parameters"][key], other["hyper_parameters"][key])


@pytest.mark.slow
def test_a_finder_that_only_looks_changes_nothing(run: Run) -> None:
    assert run("fit", *CURVES)[0] == 0
    assert run("fit", *CURVES, "--trainer.callbacks", finder(apply=False))[0] == 0
    one, other = checkpoint(0), checkpoint(1)
    assert (LOGS / "version_1/lr_find.png").is_file()
    other["callbacks"].pop("LearningRateFinder")
    for loaded in (one, other):
        loaded.pop("hyper_parameters")
        loaded.pop("run")  # the configuration names the finder
    assert_same(one, other)
    tables = [(LOGS / f"version_{n}/metrics.csv").read_text().splitlines() for n in (0, 1)]
    names = tables[0][0].split(",")
    for left, right in zip(*tables, strict=True):
        pairs = zip(names, left.split(","), right.split(","), strict=True)
        assert all(a == b for name, a, b in pairs if name != "train/images_per_second")


@pytest.mark.slow
def test_a_resumed_training_does_not_look_again_and_ends_alike(run: Run) -> None:
    three = ("--trainer.max_epochs", "3")
    assert run("fit", *three, "--trainer.callbacks", finder())[0] == 0
    crash = json.dumps(
        [*json.loads(finder()), {"class_path": "tests.end_to_end.crash.Crash", "init_args": {"epoch": 1}}]
    )
    with pytest.raises(RuntimeError, match="on purpose"):
        run("fit", *three, "--trainer.callbacks", crash)
    code, printed = run("fit", *three, "--trainer.callbacks", finder(), "--ckpt_path", "last")
    assert code == 0, printed
    assert "suggested" not in printed
    one, other = checkpoint(0), checkpoint(1)
    for key in ("state_dict", "optimizer_states", "lr_schedulers"):
        assert_same(one[key], other[key])
    assert_same(one["hyper_parameters"]["optimizer"], other["hyper_parameters"]["optimizer"])


@pytest.mark.slow
def test_without_a_rising_schedule_the_steepest_descent_is_suggested(run: Run) -> None:
    Path("plain.yaml").write_text("model: {init_args: {lr_scheduler: null, optimizer: null}}")
    plain = ("--config", "plain.yaml")
    code, printed = run("lr_find", *TEST, *plain)
    assert code == 0, printed
    values = json.loads((FOUND / "lr_find.json").read_text())
    assert values["suggestion"] == values["steepest"]
    overlay = yaml.safe_load((FOUND / "lr_find.yaml").read_text())["model"]["init_args"]
    arguments = {"lr": values["steepest"], "momentum": 0.9, "nesterov": True}
    assert overlay == {"optimizer": {"class_path": "torch.optim.SGD", "init_args": arguments}}
    assert run("fit", *plain, "--config", str(FOUND / "lr_find.yaml"))[0] == 0
    assert checkpoint(0)["optimizer_states"][0]["param_groups"][0]["lr"] == values["steepest"]


@pytest.mark.slow
def test_an_autoencoder_is_tested_too_and_from_python() -> None:
    data = Demo(patches_per_class=20, batch_size=40)
    model = AutoEncoder(
        partial(ResNet, widths=(8,), blocks=(1,)), partial(ConvolutionalReconstruction, scale=2), data.bands,
        mean=data.mean, std=data.std,
    )  # fmt: skip
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trainer = Trainer(max_epochs=1, accelerator="cpu", precision="32-true", **BARE)
    trainer.lr_find(model, data, min_lr=1e-4, steps=30, output="here")
    assert_same(before, dict(model.state_dict()))
    assert json.loads(Path("here/lr_find.json").read_text())["suggestion"] > 1e-4
    assert trainer.global_step == 0
    assert not any(isinstance(callback, LearningRateFinder) for callback in trainer.callbacks)  # type: ignore[attr-defined]
    assert [path.name for path in Path().iterdir()] == ["here"]


def test_a_loss_that_does_not_fall_is_an_error_and_takes_an_old_overlay_away(run: Run) -> None:
    FOUND.mkdir(parents=True)
    (FOUND / "lr_find.yaml").write_text("old")
    code, printed = run("lr_find", "--min_lr", "1e-12", "--max_lr", "1e-10", "--steps", "12")
    assert code == 2
    assert "No learning rate to suggest" in printed.splitlines()[-1]
    assert (FOUND / "lr_find.png").is_file()
    assert not (FOUND / "lr_find.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--min_lr", "1", "--max_lr", "0.1"], "0 < min_lr < max_lr"),
        (["--steps", "2"], "steps of at least 10"),
        (["--output", "taken/below"], "cannot be written"),
    ],
)
def test_mistakes_are_told_in_a_line(arguments: list[str], message: str, run: Run) -> None:
    Path("taken").write_text("a file")
    code, printed = run("lr_find", "--steps", "12", *arguments)
    assert code == 2
    assert message in printed.splitlines()[-1]


@pytest.mark.slow
def test_frozen_parts_stay_frozen_and_the_order_of_callbacks_is_checked(run: Run) -> None:
    freeze = {"class_path": "Freeze", "init_args": {"modules": {"encoder": None}}}
    after, before = json.loads(finder()), [freeze, *json.loads(finder())]
    code, printed = run("fit", "--trainer.callbacks", json.dumps([*after, freeze]))
    assert code == 2
    assert "put LearningRateFinder after Freeze" in printed
    assert run("fit", "--trainer.callbacks", json.dumps(before))[0] == 0
    values = json.loads((LOGS / "version_1/lr_find.json").read_text())
    assert run("lr_find", *TEST, "--trainer.callbacks", json.dumps([freeze]))[0] == 0
    assert json.loads((FOUND / "lr_find.json").read_text())["loss"] == values["loss"]


def test_a_short_name_that_lightning_has_too_is_told_in_a_line(quick: list[str], capsys: Any) -> None:
    assert exit_code(["fit", *quick, "--trainer.callbacks", '[{"class_path": "LearningRateFinder"}]']) == 2
    assert "eurosat_cls.callbacks.LearningRateFinder" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.real
def test_on_real_data_the_suggestion_is_near_the_recipe(tmp_path: Path) -> None:
    if not REAL_ZIP.is_file():
        pytest.skip(f"needs {REAL_ZIP}")
    with zipfile.ZipFile(REAL_ZIP) as whole, zipfile.ZipFile(tmp_path / "EuroSAT.zip", "w") as part:
        for name in whole.namelist():
            if re.search(r"_(\d|\d\d|1[0-4]\d)\.jpg$", name):
                part.writestr(name, whole.read(name))
    options = ["--config", str(CONFIGS / "tiny_resnet18.yaml"), "--data.init_args.root", str(tmp_path)]
    options += ["--data.init_args.batch_size", "64", "--steps", "60", "--min_lr", "1e-4"]
    assert exit_code(["lr_find", *options]) == 0
    assert 0.02 < json.loads((FOUND / "lr_find.json").read_text())["suggestion"] <= 1
