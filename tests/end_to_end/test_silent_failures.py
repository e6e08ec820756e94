"""Failures that other tools pass over with exit code 0. Here each is an error or is said aloud."""

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.conftest import CONFIGS, subprocess_env
from tests.data.helpers import make_rgb_tree

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_evaluation_without_a_checkpoint_is_refused_in_one_line(run: Run, command: str) -> None:
    code, printed = run(command)
    assert code == 2
    assert printed.strip().count("\n") == 0
    assert "--ckpt_path best" in printed
    assert not Path("lightning_logs").exists()


@pytest.mark.parametrize("option", ["--trainer.max_epoch", "--seed", "--model.init_args.class_weight", "--ckpt"])
def test_a_shortened_option_is_refused_and_named(run: Run, option: str) -> None:
    code, printed = run("fit", option, "1")
    assert code == 2
    assert option.split(".")[-1].lstrip("-") in printed
    assert not Path("lightning_logs").exists()


@pytest.mark.parametrize("lost", ["empty", "missing"])
def test_a_missing_class_folder_is_refused_instead_of_shifting_labels(run: Run, tmp_path: Path, lost: str) -> None:
    tree = make_rgb_tree(tmp_path / "data" / "2750", 5)
    for file in (tree / "Forest").iterdir():
        file.unlink()
    if lost == "missing":
        (tree / "Forest").rmdir()
    code, printed = run("fit", "--data", "EuroSAT", "--data.init_args.root", str(tmp_path / "data"))
    assert code == 2
    assert "Forest" in printed


def test_fewer_images_than_a_batch_are_refused(run: Run) -> None:
    code, printed = run("fit", "--data.init_args.batch_size", "121")
    assert code == 2
    assert "120 training patches, fewer than one batch" in printed
    assert not list(Path(".").glob("lightning_logs/*/checkpoints/*"))


@pytest.mark.parametrize("name", ["last", "best"])
def test_resuming_from_nothing_is_refused_instead_of_starting_over(run: Run, name: str) -> None:
    code, printed = run("fit", "--ckpt_path", name)
    assert code == 2
    assert f"No '{name}' checkpoint of this configuration" in printed


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
def test_a_checkpoint_of_another_network_does_not_replace_the_configs(run: Run, command: str) -> None:
    code, printed = run(command, "--ckpt_path", str(RUN / "checkpoints/last.ckpt"),
                        "--model.init_args.encoder.init_args.widths", "[8, 16]")  # fmt: skip
    assert code == 2
    assert "holds another network" in printed
    assert "encoder.stem.0.weight is [16, 3, 3, 3] there and [8, 3, 3, 3] here" in printed


@pytest.mark.usefixtures("trained")
def test_another_network_with_layers_of_the_same_shapes_is_refused(run: Run) -> None:
    last = str(RUN / "checkpoints/last.ckpt")
    for command in ("fit", "test"):
        code, printed = run(command, "--ckpt_path", last, "--model.init_args.encoder.init_args.stem_stride", "1")
        assert code == 2
        assert "model.encoder.init_args.stem_stride: 1, not 2 as in the checkpoint" in printed
    code, printed = run("test", "--ckpt_path", last, "--model.init_args.decoder.init_args.dropout", "0.3")
    assert code == 0, printed
    assert "model.init_args.decoder.init_args.dropout: 0.3, not 0.0 as in the checkpoint" in printed


def test_bfloat16_where_there_is_none_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eurosat_cls.training.precision.supports_bf16", lambda device: False)
    code, printed = run("fit", "--trainer.precision", "bf16-mixed")
    assert code == 2
    assert "no bfloat16 units" in printed


@pytest.mark.slow
def test_sigterm_to_the_process_ends_with_143(quick: list[str]) -> None:
    terminate = '[{"class_path": "tests.end_to_end.crash.Terminate", "init_args": {"epoch": 1}}]'
    command = [sys.executable, "-m", "eurosat_cls", "fit", *quick, "--trainer.callbacks", terminate]
    done = subprocess.run(command, env=subprocess_env(), capture_output=True, text=True)
    assert done.returncode == 143, done.stderr
    assert (RUN / "checkpoints/last.ckpt").is_file()


def test_corrupt_images_are_all_named_in_a_few_lines(run: Run, tmp_path: Path) -> None:
    tree = make_rgb_tree(tmp_path / "data" / "2750", 5)
    (tree / "Forest/Forest_2.jpg").write_bytes((tree / "Forest/Forest_2.jpg").read_bytes()[:300])
    (tree / "River/River_3.jpg").write_bytes(b"")
    arguments = [
        "--data",
        "EuroSAT",
        "--data.init_args.root",
        str(tmp_path / "data"),
        "--data.init_args.batch_size",
        "10",
    ]
    code, printed = run("fit", *arguments)
    assert code == 2
    assert "Forest_2.jpg" in printed
    assert "River_3.jpg" in printed
    assert printed.count("\n") < 10
    code, printed = run("fit", *arguments, "--data.init_args.on_error", "skip")
    assert code == 0, printed


@pytest.mark.usefixtures("trained")
def test_predictions_are_written_for_every_patch(run: Run) -> None:
    assert run("predict", "--ckpt_path", "best", "--data.init_args.predict_split", "all")[0] == 0
    with open(RUN / "predictions.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 200


def test_a_memory_url_is_no_config(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    with fsspec.open("memory://evil.yaml", "w") as file:
        file.write((CONFIGS / "tiny_resnet18.yaml").read_text())
    code, printed = run("fit", "--config", "memory://evil.yaml")
    assert code == 2
    assert "memory://evil.yaml" in printed


@pytest.mark.usefixtures("trained")
def test_a_checkpoint_never_chooses_classes(run: Run) -> None:
    path = RUN / "checkpoints/last.ckpt"
    content = torch.load(path, weights_only=True)
    content["hyper_parameters"]["_class_path"] = "os.system"
    content["hyper_parameters"]["encoder"] = {"class_path": "os.system", "init_args": {"command": "touch executed"}}
    torch.save(content, "evil.ckpt")
    for command in ("validate", "test", "predict"):
        code, printed = run(command, "--ckpt_path", "evil.ckpt")
        assert code == 2
        assert "evil.ckpt: " in printed
        assert "refused" in printed
    assert not Path("executed").exists()
