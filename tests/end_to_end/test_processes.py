"""Several processes do together what one does, and end together."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.conftest import CONFIGS, CURVES, QUICK, REPOSITORY, subprocess_env
from tests.end_to_end.killing import differences, result

pytestmark = pytest.mark.slow
LOGS = Path("lightning_logs")
# Three steps of 40 patches in training, and some left over; 50 of validation and test, which do not divide by 40.
# In double precision, as differences by rounding grow in every step.
DATA = ["--data.init_args.patches_per_class", "23", "--data.init_args.augment", "[]", "--trainer.max_epochs", "3",
        "--trainer.precision", "64-true"]  # fmt: skip
ONE, TWO = ["--data.init_args.batch_size", "40"], ["--data.init_args.batch_size", "20", "--trainer.devices", "2"]


def launch(folder: Path, *commands: tuple[int, list[str]]) -> list[list[int]]:
    """Run commands in so many processes one after the other; return their exit codes by command and rank."""
    folder.mkdir(exist_ok=True)
    (folder / "quick.yaml").write_text(yaml.safe_dump(QUICK))
    base = ["--config", str(CONFIGS / "tiny_resnet18.yaml"), "--config", "quick.yaml", *DATA]
    given = [[processes, [words[0], *base, *words[1:]]] for processes, words in commands]
    script = [sys.executable, "-m", "tests.end_to_end.launching", str(folder), json.dumps(given)]
    env = {**subprocess_env(), "OMP_NUM_THREADS": "1"}  # a process with threads cannot be forked
    done = subprocess.run(script, env=env, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    codes: list[list[int]] = json.loads(done.stdout.splitlines()[-1])
    return codes


def said(folder: Path, rank: int) -> str:
    return (folder / f"rank{rank}.txt").read_text()


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training in one process, one in two, and what each number of processes makes of the first one's checkpoint."""
    folder = tmp_path_factory.mktemp("processes")
    last = str(LOGS / "version_0/checkpoints/last.ckpt")
    pictures = ["--pictures", '[{"class_path": "ConfusionMatrix"}, {"class_path": "LearningCurves"}]']
    evaluation = [
        [command, "--ckpt_path", last, *pictures[: 2 * (command == "test")]] for command in ("test", "predict")
    ]
    one = launch(folder, (1, ["fit", *ONE]), *((1, words) for words in evaluation))
    (folder / LOGS / "version_0").rename(folder / "alone")
    (folder / LOGS / "version_0/checkpoints").mkdir(parents=True)
    for name in ("checkpoints/last.ckpt", "config.yaml"):
        (folder / LOGS / "version_0" / name).write_bytes((folder / "alone" / name).read_bytes())
    two = launch(folder, *((2, [*words, *TWO]) for words in evaluation), (2, ["fit", *TWO, *pictures]))
    assert one + two == [[0], [0], [0], [0, 0], [0, 0], [0, 0]], said(folder, 0) + said(folder, 1)
    return folder


def test_two_processes_train_to_the_weights_of_one_with_batches_of_both(runs: Path) -> None:
    paths = (runs / "alone/checkpoints/last.ckpt", runs / LOGS / "version_1/checkpoints/last.ckpt")
    one, two = (torch.load(path, weights_only=True)["state_dict"] for path in paths)
    assert one.keys() == two.keys()
    for name in one:
        assert torch.allclose(one[name].float(), two[name].float(), rtol=1e-4, atol=1e-5), name


def test_two_processes_score_every_patch_once_and_as_one_does(runs: Path) -> None:
    reports: list[dict[str, Any]] = [
        json.loads((folder / "test.json").read_text()) for folder in (runs / "alone", runs / LOGS / "version_0")
    ]
    for name in ("test/accuracy", "test/macro_f1", "confusion_matrix", "per_class"):
        assert reports[0][name] == reports[1][name], name
    assert reports[0]["test/loss"] == pytest.approx(reports[1]["test/loss"], rel=1e-6)


@pytest.mark.parametrize("name", ["predictions.csv", "test_predictions.csv"])
def test_answers_are_written_once_whole_and_in_order(runs: Path, name: str) -> None:
    one, two = table(runs / "alone" / name), table(runs / LOGS / "version_0" / name)
    assert len(one) == 50
    assert [row["file"] for row in one] == [row["file"] for row in two]
    for a, b in zip(one, two):
        assert a["predicted"] == b["predicted"]
        assert float(a["confidence"]) == pytest.approx(float(b["confidence"]), abs=1e-4)


def test_the_first_process_alone_writes_and_speaks(runs: Path) -> None:
    assert sorted(path.name for path in (runs / LOGS).iterdir()) == ["version_0", "version_1"]
    assert (runs / LOGS / "version_1/confusion_matrix_val.png").is_file()
    assert "run folder: lightning_logs/version_1" in said(runs, 0)
    assert "epoch 3/3" in said(runs, 0)
    for word in ("run folder", "epoch", "Classifier", "best val"):
        assert word not in said(runs, 1)


def test_a_signal_to_any_process_stops_all_and_they_go_on_as_if_it_had_not_come(tmp_path: Path) -> None:
    terminate = '[{"class_path": "tests.end_to_end.crash.Terminate", "init_args": {"epoch": 1, "rank": 1}}]'
    codes = launch(
        tmp_path,
        (2, ["fit", *TWO, *CURVES]),
        (2, ["fit", *TWO, *CURVES, "--trainer.callbacks", terminate]),
        (2, ["fit", *TWO, *CURVES, "--data.init_args.batch_size", "10", "--ckpt_path", "last"]),
        (2, ["fit", *TWO, *CURVES, "--ckpt_path", "last"]),
    )
    assert codes == [[0, 0], [143, 143], [2, 2], [0, 0]], said(tmp_path, 0) + said(tmp_path, 1)
    assert "steps of 40 patches" in said(tmp_path, 0)
    logs = tmp_path / LOGS
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    for number, name in enumerate(("whole", "stopped")):
        (tmp_path / name / LOGS).mkdir()
        (logs / f"version_{number}").rename(tmp_path / name / LOGS / "version_0")
    whole, stopped = result(tmp_path / "whole"), result(tmp_path / "stopped")
    assert float(stopped["train/loss 2"]) == pytest.approx(float(whole["train/loss 2"]), rel=1e-6)
    found = [name for name in differences(whole, stopped) if "/run/config/trainer/callbacks" not in name]
    assert set(found) <= {"train/loss 2"}


def test_a_killed_process_ends_the_others_with_a_message(tmp_path: Path) -> None:
    kill = '[{"class_path": "tests.end_to_end.crash.Terminate", "init_args": {"epoch": 1, "number": 9, "rank": 1}}]'
    assert launch(tmp_path, (2, ["fit", *TWO, "--trainer.callbacks", kill])) == [[1, -9]], said(tmp_path, 0)
    assert "another process of this training has ended" in said(tmp_path, 0)
    assert (tmp_path / LOGS / "version_0/checkpoints/last.ckpt").is_file()
