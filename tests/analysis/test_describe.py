"""A checkpoint says what it is, and gives its configuration back."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml

from eurosat_cls import Classifier
from eurosat_cls.encoders import ResNet
from tests.conftest import exit_code

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")


def test_a_checkpoint_tells_its_run(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fit", "--seed_everything", "3")[0] == 0
    assert exit_code(["describe", str(RUN)]) == 0
    page = capsys.readouterr().out
    split = json.loads((RUN / "environment.json").read_text())["data"]["split_sha256"]
    last = torch.load(RUN / "checkpoints/best.ckpt", weights_only=True)
    for part in ("Classifier, multiclass", "10: DemoAnnualCrop", "3: B04, B03, B02", "encoders.resnet.ResNet",
                 f"epoch {last['epoch'] + 1} of 2", "val/accuracy", "train 120, val 40, test 40", "random", split,
                 f"torch {torch.__version__.split('+')[0]}", "precision 32-true", "raw sensor values"):  # fmt: skip
        assert part in page, part
    seed = next(line for line in page.splitlines() if line.startswith("seed"))
    assert seed.split() == ["seed", "3"]
    model = Classifier.load_from_checkpoint(RUN / "checkpoints/best.ckpt")
    assert f"{sum(p.numel() for p in model.encoder.parameters()):,} parameters" in page
    assert "not trusted" not in page


def test_the_configuration_in_a_checkpoint_repeats_its_run(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fit", "--model.init_args.class_weights", "{DemoRiver: 2.0}")[0] == 0
    assert exit_code(["describe", str(RUN / "checkpoints/last.ckpt"), "--config"]) == 0
    text = capsys.readouterr().out
    assert yaml.safe_load(text)["model"]["init_args"]["class_weights"] == {"DemoRiver": 2.0}
    Path("again.yaml").write_text(text)
    assert exit_code(["fit", "--config", "again.yaml"]) == 0
    first, second = (
        torch.load(f"lightning_logs/version_{n}/checkpoints/last.ckpt", weights_only=True)["state_dict"] for n in (0, 1)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_checkpoint_of_a_trainer_by_hand_is_described_as_far_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Classifier(partial(ResNet, widths=(8,), blocks=(1,)), ["a", "b"], ["B04"])
    path = tmp_path / "a.ckpt"
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams)}, path)
    assert exit_code(["describe", str(path)]) == 0
    page = capsys.readouterr().out
    assert "2: a, b" in page
    assert "epoch unknown" in page
    assert exit_code(["describe", str(path), "--config"]) == 2
    assert "holds no configuration" in capsys.readouterr().err
    odd = {"config": [1], "data": 3, "parameters": "x", "versions": None}
    settings = {"class_names": 3, "bands": {"a": 1}, "encoder": []}
    torch.save({"state_dict": {}, "hyper_parameters": settings, "run": odd, "callbacks": 1}, path)
    assert exit_code(["describe", str(path)]) == 2
    assert "its class_names are no names" in capsys.readouterr().err


def test_what_is_no_checkpoint_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for given, said in (("nowhere.ckpt", "there is no such checkpoint"), (str(tmp_path), "no checkpoints/best.ckpt")):
        assert exit_code(["describe", given]) == 2
        assert said in capsys.readouterr().err
