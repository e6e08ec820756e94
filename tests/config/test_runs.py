"""The configuration that a run leaves behind repeats the run, and serves every other command."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.conftest import exit_code

Run = Callable[..., tuple[int, str]]
LOGS = Path("lightning_logs")


def weights(run: str) -> dict[str, torch.Tensor]:
    return dict(torch.load(LOGS / run / "checkpoints/last.ckpt", weights_only=True)["state_dict"])


def test_a_saved_configuration_repeats_its_run(run: Run) -> None:
    assert run("fit", "--seed_everything", "5", "--trainer.precision", "auto")[0] == 0
    saved = LOGS / "version_0/config.yaml"
    assert exit_code(["fit", "--config", str(saved)]) == 0
    first, second = weights("version_0"), weights("version_1")
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name
    assert saved.read_text() == (LOGS / "version_1/config.yaml").read_text()


def test_a_saved_configuration_names_its_own_checkpoints_from_anywhere(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert run("fit")[0] == 0
    first = LOGS.absolute() / "version_0"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for command in ("test", "predict"):
        assert exit_code([command, "--config", str(first / "config.yaml"), "--ckpt_path", "best"]) == 0
        assert f"best checkpoint: {first}" in capsys.readouterr().err
    assert (first / "test.json").is_file()
    assert (first / "predictions.csv").is_file()
    assert os.listdir() == []


def test_a_continued_run_leaves_a_configuration_that_starts_anew(run: Run) -> None:
    assert run("fit")[0] == 0
    before = (LOGS / "version_0/config.yaml").read_text()
    assert run("fit", "--ckpt_path", "last")[0] == 0
    assert (LOGS / "version_0/config.yaml").read_text() == before
