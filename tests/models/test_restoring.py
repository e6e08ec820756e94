"""When a training goes on, what the user says now counts, and what was not changed stays as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from eurosat_cls.config.differences import print_differences

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")
LAST = str(RUN / "checkpoints/last.ckpt")
PREFIX = "--model.init_args."
CONSTANT = (f"{PREFIX}lr_scheduler", "null")


def state() -> dict[str, Any]:
    found: dict[str, Any] = torch.load(LAST, weights_only=True)
    return found


def group() -> dict[str, Any]:
    found: dict[str, Any] = state()["optimizer_states"][0]["param_groups"][0]
    return found


def trained(run: Run, *options: str) -> None:
    code, printed = run("fit", *options)
    assert code == 0, printed


def resumed(run: Run, *options: str, epochs: int = 3) -> str:
    code, printed = run("fit", "--ckpt_path", LAST, "--trainer.max_epochs", str(epochs), *options)
    assert code == 0, printed
    return printed


def test_settings_of_the_optimizer_are_the_configured_ones_and_momentum_goes_on(run: Run) -> None:
    trained(run, *CONSTANT)
    momentum = state()["optimizer_states"][0]["state"][0]["momentum_buffer"]
    seen: list[torch.Tensor] = []
    load = torch.optim.SGD.load_state_dict

    def spy(self: torch.optim.SGD, saved: dict[str, Any]) -> None:
        load(self, saved)
        seen.append(self.state[self.param_groups[0]["params"][0]]["momentum_buffer"].clone())

    wanted = {"lr": 0.003, "weight_decay": 0.07, "momentum": 0.5}
    options = [part for key, v in wanted.items() for part in (f"{PREFIX}optimizer.init_args.{key}", str(v))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.SGD, "load_state_dict", spy)
        printed = resumed(run, *CONSTANT, *options)
    assert {key: group()[key] for key in wanted} == wanted
    assert torch.equal(seen[0], momentum)
    assert "model.init_args.optimizer.init_args.lr: 0.003, not 0.2 as in the checkpoint" in printed


def test_a_changed_peak_of_the_schedule_is_followed_from_where_the_training_is(run: Run) -> None:
    options, peak = ("--trainer.max_epochs", "3"), (f"{PREFIX}lr_scheduler.init_args.max_lr", "0.05")
    trained(run, *options, *peak)
    straight = state()["lr_schedulers"][0]
    crash = '[{"class_path": "tests.end_to_end.crash.Crash", "init_args": {"epoch": 2}}]'
    with pytest.raises(RuntimeError, match="on purpose"):
        run("fit", *options, "--trainer.callbacks", crash)
    last = "lightning_logs/version_1/checkpoints/last.ckpt"
    assert run("fit", *options, "--ckpt_path", last, *peak)[0] == 0
    found = torch.load(last, weights_only=True)
    assert found["lr_schedulers"][0]["_last_lr"] == straight["_last_lr"]
    assert found["optimizer_states"][0]["param_groups"][0]["max_lr"] == 0.05


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [40, 20])
def test_a_longer_training_replans_its_schedule(run: Run, batch_size: int) -> None:
    trained(run)
    before = state()["lr_schedulers"][0]
    assert (before["total_steps"], before["last_epoch"]) == (6, 6)
    printed = resumed(run, "--data.init_args.batch_size", str(batch_size), epochs=4)
    after = state()["lr_schedulers"][0]
    steps = 4 * 120 // batch_size
    assert (after["total_steps"], after["last_epoch"]) == (steps, steps), "it ends with the training"
    assert "trainer.max_epochs: 4, not 2 as in the checkpoint" in printed
    assert f"{steps} steps instead of 6, from step {steps // 2}" in printed
    assert ("data.init_args.batch_size: 20, not 40" in printed) == (batch_size == 20)


def test_a_training_cannot_end_before_its_checkpoint(run: Run) -> None:
    trained(run)
    code, printed = run("fit", "--ckpt_path", LAST, "--trainer.max_epochs", "1")
    assert code == 2
    assert "is of epoch 2, and trainer.max_epochs is 1" in printed


@pytest.mark.slow
def test_another_optimizer_starts_anew_and_says_so(run: Run) -> None:
    trained(run, *CONSTANT)
    adam = '{"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.004}}'
    printed = resumed(run, *CONSTANT, f"{PREFIX}optimizer", adam)
    assert "model.optimizer changed: the optimizer's momentum starts anew" in printed
    assert "exp_avg" in state()["optimizer_states"][0]["state"][0]
    assert group()["lr"] == 0.004


def test_changed_multipliers_do_not_mix_up_momentum(run: Run) -> None:
    trained(run, *CONSTANT)
    printed = resumed(run, *CONSTANT, f"{PREFIX}lr_multipliers", "{encoder: 0.1}")
    assert "model.lr_multipliers changed" in printed
    assert [g["lr_multiplier"] for g in state()["optimizer_states"][0]["param_groups"]] == [0.1, 1.0]


def test_another_schedule_goes_on_from_the_position_in_the_training(run: Run) -> None:
    trained(run)
    cosine = '{"class_path": "torch.optim.lr_scheduler.ExponentialLR", "init_args": {"gamma": 0.5}}'
    resumed(run, f"{PREFIX}lr_scheduler", cosine, f"{PREFIX}lr_scheduler_interval", "epoch")
    assert group()["lr"] == pytest.approx(0.2 * 0.5**3)


def test_a_plateau_schedule_takes_its_new_settings(run: Run) -> None:
    def plateau(factor: float) -> tuple[str, str]:
        name = "torch.optim.lr_scheduler.ReduceLROnPlateau"
        arguments = f'{{"patience": 0, "threshold": 10.0, "factor": {factor}}}'
        return f"{PREFIX}lr_scheduler", f'{{"class_path": "{name}", "init_args": {arguments}}}'

    trained(run, *plateau(0.5))
    before = group()["lr"]
    resumed(run, *plateau(0.1), epochs=4)
    assert state()["lr_schedulers"][0]["factor"] == 0.1
    assert group()["lr"] < before * 0.11


def test_class_weights_and_label_smoothing_are_the_configured_ones(run: Run) -> None:
    trained(run, *CONSTANT)
    options = (f"{PREFIX}class_weights", "{DemoRiver: 3.0}", f"{PREFIX}loss.init_args.label_smoothing", "0.3")
    printed = resumed(run, *CONSTANT, *options)
    assert state()["state_dict"]["loss.weight"][8] == 3
    assert state()["hyper_parameters"]["loss"]["init_args"]["label_smoothing"] == 0.3
    assert "class_weights: {'DemoRiver': 3.0}, not None" in printed
    resumed(run, *CONSTANT, epochs=4)
    assert "loss.weight" not in state()["state_dict"]


def test_the_patience_of_early_stopping_is_the_configured_one(run: Run) -> None:
    def stopping(patience: int) -> tuple[str, str]:
        arguments = f'{{"monitor": "val/loss", "patience": {patience}}}'
        return "--trainer.callbacks", f'[{{"class_path": "EarlyStopping", "init_args": {arguments}}}]'

    trained(run, *CONSTANT, *stopping(50))
    resumed(run, *CONSTANT, *stopping(7))
    (kept,) = (s for name, s in state()["callbacks"].items() if name.startswith("EarlyStopping"))
    assert kept["patience"] == 7


def test_an_unchanged_configuration_prints_no_difference(run: Run) -> None:
    auto = (f"{PREFIX}memory_format", "auto", "--trainer.precision", "auto")
    trained(run, *auto)
    for command in ("fit", "test", "predict"):
        code, printed = run(command, "--ckpt_path", LAST, *auto)
        assert code == 0, printed
        assert "as in the checkpoint" not in printed


def test_differences_are_short(capsys: pytest.CaptureFixture[str]) -> None:
    theirs = {"model": {"class_path": "A", "init_args": {str(n): n for n in range(15)}}, "trainer": {"precision": "b"}}
    ours = {"model": {"class_path": "A", "init_args": {"x": "y" * 99}}, "trainer": {"precision": "auto"}}
    print_differences(theirs, ours, ("model", "trainer"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"model.init_args.x: {'y' * 60}..., not None as in the checkpoint"
    assert lines[10:] == ["and 6 more differences"]


def test_a_changed_architecture_is_refused_with_what_does_not_fit(run: Run) -> None:
    trained(run)
    code, printed = run("fit", "--ckpt_path", LAST, f"{PREFIX}encoder.init_args.widths", "[8, 16]")
    assert code == 2
    assert "model.encoder.init_args.widths: [8, 16], not [16, 16] as in the checkpoint" in printed
    assert "encoder.stem.0.weight is [16, 3, 3, 3] there and [8, 3, 3, 3] here" in printed
    assert " more." in printed
