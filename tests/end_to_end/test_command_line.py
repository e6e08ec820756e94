"""The commands that a user types, run for real on a small set of demo patches."""

import csv
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from eurosat_cls import Classifier
from tests.conftest import exit_code

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")


def weights(path: str | Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return state


def assert_identical(a: Path, b: Path) -> None:
    left, right = weights(a), weights(b)
    assert left.keys() == right.keys()
    for key in left:
        assert torch.equal(left[key], right[key]), key


@pytest.mark.slow
def test_fit_validate_test_predict_write_what_they_promise(run: Run) -> None:
    assert run("fit")[0] == 0
    assert (RUN / "checkpoints/best.ckpt").is_file()
    assert (RUN / "checkpoints/last.ckpt").is_file()
    saved = yaml.safe_load((RUN / "config.yaml").read_text())
    assert saved["data"]["init_args"]["patches_per_class"] == 20
    environment = json.loads((RUN / "environment.json").read_text())
    assert environment["versions"]["torch"] == torch.__version__.split("+")[0]
    assert len(environment["data"]["split_sha256"]) == 64

    code, printed = run("validate", "--ckpt_path", "best")
    assert code == 0
    assert "checkpoints/best.ckpt" in printed
    assert "val/accuracy" in printed

    code, printed = run("test", "--ckpt_path", "best")
    assert code == 0
    assert "DemoSeaLake" in printed
    report = json.loads((RUN / "test.json").read_text())
    assert 0 <= report["test/accuracy"] <= 1
    assert report["checkpoint"].endswith("best.ckpt")
    assert report["split"]["split_sha256"] == environment["data"]["split_sha256"]
    assert sum(scores["images"] for scores in report["per_class"].values()) == 40
    hits = sum(row[k] for k, row in enumerate(report["confusion_matrix"]))
    assert hits / 40 == pytest.approx(report["test/accuracy"])

    code, printed = run("predict", "--ckpt_path", "last")
    assert code == 0
    assert "last.ckpt" in printed
    with open(RUN / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert list(rows[0]) == ["file", "predicted", "confidence", *report["per_class"], "familiarity"]
    assert rows[0]["file"].startswith("DemoAnnualCrop/")
    for row in rows:
        probabilities = {name: float(row[name]) for name in report["per_class"]}
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert max(probabilities, key=lambda name: probabilities[name]) == row["predicted"]
    assert [p.name for p in Path("lightning_logs").iterdir()] == ["version_0"]


@pytest.mark.usefixtures("trained")
def test_tensorboard_has_the_scalars_of_training_validation_and_test(run: Run) -> None:
    run("test", "--ckpt_path", "best")
    tags: set[str] = set()
    for file in RUN.glob("events*"):
        events = EventAccumulator(str(file))
        events.Reload()
        tags |= set(events.Tags()["scalars"])
    expected = {"train/loss", "train/accuracy", "train/macro_f1", "train/learning_rate", "train/images_per_second"}
    expected |= {f"{stage}/{name}" for stage in ("val", "test") for name in ("loss", "accuracy", "macro_f1")}
    assert expected <= tags


@pytest.mark.slow
def test_one_seed_gives_identical_weights_and_another_seed_others(run: Run) -> None:
    for seed in ("3", "3", "4"):
        assert run("fit", "--seed_everything", seed)[0] == 0
    logs = Path("lightning_logs")
    assert_identical(logs / "version_0/checkpoints/last.ckpt", logs / "version_1/checkpoints/last.ckpt")
    a, c = (weights(logs / f"version_{n}/checkpoints/last.ckpt") for n in (0, 2))
    assert not torch.equal(a["decoder.linear.weight"], c["decoder.linear.weight"])


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["step", "epoch", "plateau", "max_steps"])
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(run: Run, scheduler: str) -> None:
    options = ["--trainer.max_epochs", "3", *(["--trainer.max_steps", "8"] if scheduler == "max_steps" else [])]
    if scheduler == "epoch":
        options += ["--model.init_args.lr_scheduler", '{"class_path": "ExponentialLR", "init_args": {"gamma": 0.5}}']
        options += ["--model.init_args.lr_scheduler_interval", "epoch"]
    if scheduler == "plateau":
        name = "torch.optim.lr_scheduler.ReduceLROnPlateau"
        plateau = f'{{"class_path": "{name}", "init_args": {{"patience": 0, "threshold": 10.0}}}}'
        options += ["--model.init_args.lr_scheduler", plateau, "--model.init_args.lr_scheduler_monitor", "val/loss"]
    assert run("fit", *options)[0] == 0
    crash = '[{"class_path": "tests.end_to_end.crash.Crash", "init_args": {"epoch": 1}}]'
    with pytest.raises(RuntimeError, match="on purpose"):
        run("fit", *options, "--trainer.callbacks", crash)
    terminate = '[{"class_path": "tests.end_to_end.crash.Terminate", "init_args": {"epoch": 2}}]'
    assert run("fit", *options, "--ckpt_path", "last", "--trainer.callbacks", terminate)[0] == 143
    code, printed = run("fit", *options, "--ckpt_path", "last")
    assert code == 0
    assert "version_1" in printed
    logs = Path("lightning_logs")
    assert_identical(logs / "version_0/checkpoints/last.ckpt", logs / "version_1/checkpoints/last.ckpt")
    assert_identical(logs / "version_0/checkpoints/best.ckpt", logs / "version_1/checkpoints/best.ckpt")
    assert sorted(p.name for p in logs.iterdir()) == ["version_0", "version_1"]


@pytest.mark.usefixtures("trained")
def test_predict_reads_any_folder_of_images(run: Run, tmp_path: Path) -> None:
    from PIL import Image

    from eurosat_cls.data import demo_patches

    (tmp_path / "mine/deep").mkdir(parents=True)
    for number in range(3):
        pixels = demo_patches.generate(number, number, 7).transpose(1, 2, 0)
        Image.fromarray(pixels).save(tmp_path / f"mine/{'deep/' if number else ''}patch {number}.png")
    code, printed = run("predict", "--ckpt_path", "best", "--images", str(tmp_path / "mine"))
    assert code == 0, printed
    (written,) = RUN.glob("predictions_mine_*.csv")
    with open(written, newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["deep/patch 1.png", "deep/patch 2.png", "patch 0.png"]


def test_a_checkpoint_is_self_contained(run: Run) -> None:
    run("fit", "--model.init_args.class_weights", "{DemoRiver: 2.0}")
    model = Classifier.load_from_checkpoint(RUN / "checkpoints/best.ckpt", weights_only=True)
    assert model.class_names[8] == "DemoRiver"
    assert model.bands == ["B04", "B03", "B02"]
    assert model.loss.weight[8] == 2
    image = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    assert model.eval()(image).shape == (2, 10)


@pytest.mark.usefixtures("trained")
def test_a_saved_config_finds_its_own_run_and_tests_it(run: Run) -> None:
    assert exit_code(["test", "--config", str(RUN / "config.yaml"), "--ckpt_path", "best"]) == 0
    assert (RUN / "test.json").is_file()


@pytest.mark.usefixtures("trained")
def test_best_of_another_configuration_is_not_taken(run: Run) -> None:
    code, printed = run("test", "--ckpt_path", "best", "--model.init_args.loss", "FocalLoss")
    assert code == 2
    assert "model.loss" in printed
    assert "version_0" in printed


def test_best_of_a_run_with_another_learning_rate_is_taken_and_named(run: Run) -> None:
    run("fit", "--model.init_args.optimizer.init_args.lr", "0.05")
    code, printed = run("test", "--ckpt_path", "best")
    assert code == 0
    assert "trained with other model.optimizer" in printed


def test_best_is_the_epoch_with_the_best_monitored_metric(run: Run) -> None:
    run("fit", "--trainer.max_epochs", "4", "--checkpoint.monitor", "val/loss", "--checkpoint.mode", "min")
    events = EventAccumulator(str(RUN))
    events.Reload()
    losses = [event.value for event in events.Scalars("val/loss")]
    best = torch.load(RUN / "checkpoints/best.ckpt", weights_only=True)
    assert best["epoch"] == losses.index(min(losses))
    assert torch.load(RUN / "checkpoints/last.ckpt", weights_only=True)["epoch"] == 3


def test_best_is_chosen_among_the_epochs_that_were_validated(run: Run) -> None:
    assert run("fit", "--trainer.max_epochs", "3", "--trainer.check_val_every_n_epoch", "2")[0] == 0
    assert torch.load(RUN / "checkpoints/best.ckpt", weights_only=True)["epoch"] == 1
    assert torch.load(RUN / "checkpoints/last.ckpt", weights_only=True)["epoch"] == 2


def test_gradient_accumulation_ends_the_schedule_with_the_training(run: Run) -> None:
    assert run("fit", "--trainer.accumulate_grad_batches", "2")[0] == 0
    state = torch.load(RUN / "checkpoints/last.ckpt", weights_only=True)
    assert state["lr_schedulers"][0]["total_steps"] == state["global_step"] == 4


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_class_weights_change_the_training(run: Run) -> None:
    run("fit", "--model.init_args.class_weights", "{DemoRiver: 3.0}")
    run("fit", "--model.init_args.class_weights", "balanced")
    logs = Path("lightning_logs")
    a, b, c = (weights(logs / f"version_{n}/checkpoints/last.ckpt") for n in range(3))
    assert b["loss.weight"][8] == 3
    assert torch.allclose(c["loss.weight"], torch.ones(10))
    assert not torch.equal(a["decoder.linear.weight"], b["decoder.linear.weight"])


@pytest.mark.usefixtures("trained")
def test_eight_views_are_averaged_when_asked(run: Run) -> None:
    run("test", "--ckpt_path", "best")
    single = json.loads((RUN / "test.json").read_text())["test/loss"]
    assert run("test", "--ckpt_path", "best", "--model.init_args.test_time_augmentation", "true")[0] == 0
    assert json.loads((RUN / "test.json").read_text())["test/loss"] != single


@pytest.mark.slow
def test_auto_is_settled_printed_and_recorded(run: Run) -> None:
    code, printed = run("fit", "--trainer.precision", "auto", "--model.init_args.memory_format", "auto")
    assert code == 0
    assert "running with" in printed
    assert "images/s" in printed
    saved = yaml.safe_load((RUN / "config.yaml").read_text())
    assert saved["trainer"]["precision"] in ("32-true", "bf16-mixed")
    assert saved["model"]["init_args"]["memory_format"] in ("contiguous", "channels_last")
    execution = json.loads((RUN / "environment.json").read_text())["execution"]
    assert execution["precision"] == saved["trainer"]["precision"]
    assert len(execution["measured_images_per_second"]) >= 2
    _, printed = run("test", "--ckpt_path", "best", "--trainer.precision", "auto")
    assert f"running with {execution['precision']}" in printed


def test_run_folders_never_collide(run: Run) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from eurosat_cls.checkpoints.runs import new_run_folder

    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: new_run_folder(Path("lightning_logs")), range(40)))
    assert len(set(folders)) == 40


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_the_step_under_way_and_ends_with_the_usual_code(run: Run, number: int, code: int) -> None:
    arguments = {"epoch": 1, "number": int(number)}
    terminate = json.dumps([{"class_path": "tests.end_to_end.crash.Terminate", "init_args": arguments}])
    before = signal.getsignal(number)
    ended, printed = run("fit", "--trainer.callbacks", terminate)
    assert ended == code
    assert (
        f"stopped by {signal.Signals(number).name} in epoch 2; continue from {RUN / 'checkpoints/last.ckpt'}" in printed
    )
    assert torch.load(RUN / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 5
    assert signal.getsignal(number) is before


@pytest.mark.slow
def test_another_seed_in_the_middle_of_an_epoch_is_refused_and_between_epochs_told(run: Run) -> None:
    terminate = '[{"class_path": "tests.end_to_end.crash.Terminate", "init_args": {"epoch": 1}}]'
    assert run("fit", "--trainer.callbacks", terminate)[0] == 143
    code, printed = run("fit", "--ckpt_path", "last", "--seed_everything", "5")
    assert code == 2
    assert "continue it with that seed instead of 5" in printed
    code, printed = run("fit", "--ckpt_path", "last", "--data.init_args.batch_size", "30")
    assert code == 2
    assert "steps of 40 patches" in printed
    assert run("fit", "--ckpt_path", "last")[0] == 0
    _, printed = run("fit", "--ckpt_path", "last", "--seed_everything", "5")
    assert "warning: seed (seed_everything): 0 in the checkpoint, 5 now" in printed


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["fit", "--model.help", "Classifier"]])
def test_help_is_printed_and_ends_well(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(arguments) == 0
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["fitt"], ["fit", "--config", "nowhere.yaml"], ["fit"]])
def test_a_command_that_makes_no_sense_ends_with_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(arguments) == 2
    assert capsys.readouterr().err.strip().count("\n") == 0


def test_a_failing_command_is_a_failing_process(tmp_path: Path) -> None:
    import subprocess
    import sys

    from tests.conftest import REPOSITORY

    command = [sys.executable, "-m", "eurosat_cls", "fitt"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Did you mean 'fit'" in done.stderr
    assert "Traceback" not in done.stderr
