"""From patches without labels to a classifier of few labels, by the commands that a user types."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.conftest import CONFIGS, exit_code

Command = Callable[..., tuple[int, str]]
LOGS = Path("lightning_logs")
ENCODER = {"class_path": "ResNet", "init_args": {"widths": [8, 16], "blocks": [1, 1]}}
AUTOENCODER = {
    "model": {
        "init_args": {
            "encoder": ENCODER,
            "decoder": {"class_path": "LinearReconstruction", "init_args": {"scale": 4}},
            "memory_format": "contiguous",
        }
    },
    "data": {"class_path": "Demo", "init_args": {"patches_per_class": 20, "batch_size": 40}},
    "trainer": {"max_epochs": 2, "precision": "32-true", "accelerator": "cpu", "num_sanity_val_steps": 0},
}
FINETUNE = {
    "model": {"init_args": {"encoder": ENCODER, "memory_format": "contiguous"}},
    "data": {"class_path": "Demo", "init_args": {"patches_per_class": 20, "batch_size": 20, "shots_per_class": 4}},
    "trainer": {**AUTOENCODER["trainer"], "check_val_every_n_epoch": 1},
}


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command with a config of the repository, made short; return its exit code and all that it printed."""
    for name, overlay in (("autoencoder", AUTOENCODER), ("finetune", FINETUNE)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(overlay))

    def run(subcommand: str, name: str, *options: str) -> tuple[int, str]:
        capsys.readouterr()
        files = ("--config", str(CONFIGS / f"{name}.yaml"), "--config", str(tmp_path / f"{name}.yaml"))
        code = exit_code([subcommand, *files, *options])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def state(path: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return tensors


@pytest.mark.slow
def test_pretrain_fine_tune_and_test(command: Command) -> None:
    code, printed = command("fit", "autoencoder")
    assert code == 0, printed
    assert "best val/loss" in printed
    pretrained = LOGS / "version_0/encoder.safetensors"
    best = state(LOGS / "version_0/checkpoints/best.ckpt")
    exported = load_file(pretrained)
    for name, tensor in exported.items():
        assert torch.equal(tensor, best[f"encoder.{name}"]), name

    options = ["--model.init_args.weights", str(pretrained), "--trainer.limit_train_batches", "1"]
    frozen = ["--model.init_args.optimizer", '{"class_path": "torch.optim.SGD", "init_args": {"lr": 0.0}}',
              "--model.init_args.lr_scheduler", "null"]  # fmt: skip
    code, printed = command("fit", "finetune", *options, *frozen)
    assert code == 0, printed
    assert f"{len(exported)} of {len(exported)} tensors loaded" in printed
    start = state(LOGS / "version_1/checkpoints/last.ckpt")
    trained = [name for name in exported if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(start[f"encoder.{name}"], exported[name]) for name in trained), "it began with them"

    code, printed = command("fit", "finetune", "--model.init_args.weights", str(pretrained))
    assert code == 0, printed
    data = json.loads((LOGS / "version_2/environment.json").read_text())["data"]
    assert data["split_sha256"] != json.loads((LOGS / "version_0/environment.json").read_text())["data"]["split_sha256"]
    code, printed = command("test", "finetune", "--ckpt_path", "last", "--model.init_args.weights", str(pretrained))
    assert code == 0, printed
    report = json.loads((LOGS / "version_2/test.json").read_text())
    assert sum(scores["images"] for scores in report["per_class"].values()) == 40


@pytest.mark.slow
def test_an_autoencoder_is_tested_resumed_and_predicts(command: Command, tmp_path: Path) -> None:
    longer = ["--trainer.max_epochs", "3"]
    crash = '[{"class_path": "tests.end_to_end.crash.Crash", "init_args": {"epoch": 1}}]'
    assert command("fit", "autoencoder", *longer)[0] == 0
    with pytest.raises(RuntimeError, match="on purpose"):
        command("fit", "autoencoder", *longer, "--trainer.callbacks", crash)
    assert not (LOGS / "version_1/encoder.safetensors").exists()
    assert command("fit", "autoencoder", *longer, "--ckpt_path", "last")[0] == 0
    whole, resumed = (state(LOGS / f"version_{n}/checkpoints/last.ckpt") for n in (0, 1))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    whole, resumed = (load_file(LOGS / f"version_{n}/encoder.safetensors") for n in (0, 1))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)

    code, printed = command("test", "autoencoder", "--ckpt_path", "best")
    assert code == 0, printed
    assert json.loads((LOGS / "version_1/test.json").read_text())["test/loss"] < 10
    assert command("validate", "autoencoder", "--ckpt_path", "last")[0] == 0
    assert command("predict", "autoencoder", "--ckpt_path", "best")[0] == 0
    with open(LOGS / "version_1/predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert len({row["reconstruction_error"] for row in rows if math.isfinite(float(row["reconstruction_error"]))}) == 40

    events = EventAccumulator(str(LOGS / "version_0"))
    events.Reload()
    assert set(events.Tags()["images"]) == {"train/batch", "val/reconstructions", "pictures/curves"}
    assert {"train/loss", "val/loss", "train/learning_rate"} <= set(events.Tags()["scalars"])


@pytest.mark.slow
def test_predicting_on_images_of_ones_own(command: Command, tmp_path: Path) -> None:
    from PIL import Image

    from eurosat_cls.data import demo_patches

    assert command("fit", "autoencoder")[0] == 0
    (tmp_path / "mine").mkdir()
    for number in range(2):
        pixels = demo_patches.generate(number, number, 7).transpose(1, 2, 0)
        Image.fromarray(pixels).save(tmp_path / f"mine/{number}.png")
    code, printed = command("predict", "autoencoder", "--ckpt_path", "best", "--images", str(tmp_path / "mine"))
    assert code == 0, printed
    (written,) = (LOGS / "version_0").glob("predictions_mine_*.csv")
    assert written.read_text().startswith("file,reconstruction_error\n0.png,")


@pytest.mark.slow
def test_a_decoder_of_the_wrong_scale_ends_with_two_lines(command: Command) -> None:
    code, printed = command("fit", "autoencoder", "--model.init_args.decoder.init_args.scale", "8")
    assert code == 2
    assert "model.decoder restores [3, 128, 128], the patches are [3, 64, 64]" in printed


@pytest.mark.slow
def test_a_checkpoint_of_a_classifier_is_no_autoencoders(command: Command) -> None:
    assert command("fit", "finetune")[0] == 0
    code, printed = command("test", "autoencoder", "--ckpt_path", str(LOGS / "version_0/checkpoints/last.ckpt"))
    assert code == 2
    assert "holds another network than the configuration describes" in printed
