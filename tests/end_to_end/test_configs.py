"""Every file in configs/ runs, on data of its own kind that are made here: fit, test and predict."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.conftest import CONFIGS, REAL_ZIP, exit_code
from tests.data.generated import make_cifar10, make_image_folder, make_table, multilabel_rows
from tests.data.helpers import make_rgb_zip, make_tiff_zip

FILES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CONFIGS.glob("*.yaml"))}
BASE = "tiny_resnet18"  # what overlays lie on
SETTINGS = {"init_args": {"memory_format": "contiguous", "compile": False}}
TRAINER = {
    "max_epochs": 1,
    "precision": "32-true",
    "accelerator": "cpu",
    "num_sanity_val_steps": 0,
    "check_val_every_n_epoch": 1,
    "limit_train_batches": 2,
    "limit_val_batches": 1,
    "limit_test_batches": 1,
    "limit_predict_batches": 1,
}


def _eurosat(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    if settings.get("bands", "rgb") == "rgb":
        make_rgb_zip(folder / "EuroSAT.zip", 5)
    else:
        make_tiff_zip(folder / "EuroSATallBands.zip", 5)
    return {"root": str(folder), **({"shots_per_class": 2} if "shots_per_class" in settings else {})}


def _table(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    return {"table": str(make_table(folder / "labels.csv", multilabel_rows(80)))}


# By class of the data module: makes the data, and returns the settings that lead to them.
DATA: dict[str, Callable[[Path, dict[str, Any]], dict[str, Any]]] = {
    "EuroSAT": _eurosat,
    "Demo": lambda folder, settings: {"patches_per_class": 5},
    "CIFAR10": lambda folder, settings: {"root": str(make_cifar10(folder, per_class=2))},
    "ImageFolder": lambda folder, settings: {"root": str(make_image_folder(folder, per_class=20))},
    "Table": _table,
}


def _is_overlay(name: str) -> bool:
    return "class_path" not in FILES[name].get("model", {})


def _arguments(name: str, folder: Path) -> list[str]:
    """The files of a training of two batches with configs/<name>.yaml."""
    stack = [BASE, name] if _is_overlay(name) else [name]
    data = [FILES[part]["data"] for part in stack if "data" in FILES[part]]
    kind = [part["class_path"] for part in data if "class_path" in part][-1]
    made = DATA[kind.rpartition(".")[2]](folder / "data", data[-1].get("init_args", {}))
    quick = folder / "quick.yaml"
    settings: dict[str, Any] = {
        "model": SETTINGS,
        "data": {"init_args": {"batch_size": 10, **made}},
        "trainer": TRAINER,
    }
    if name != BASE and "pictures" not in FILES[name]:
        settings["pictures"] = []
    quick.write_text(yaml.safe_dump(settings))
    files = [*(CONFIGS / f"{part}.yaml" for part in stack), quick]
    return [part for file in files for part in ("--config", str(file))]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_config_fits_tests_and_predicts(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = _arguments(name, tmp_path)
    for command in (["fit"], ["test", "--ckpt_path", "best"], ["predict", "--ckpt_path", "best"]):
        assert exit_code([command[0], *arguments, *command[1:]]) == 0, capsys.readouterr().err
    with open("lightning_logs/version_0/predictions.csv", encoding="utf-8", newline="") as stream:
        assert 0 < len(list(csv.DictReader(stream))) <= 10
    assert Path("lightning_logs/version_0/test.json").is_file()


@pytest.mark.slow
@pytest.mark.real
def test_all_bands_of_real_patches_train_to_better_than_chance() -> None:
    root = REAL_ZIP.with_name("EuroSATallBands-369.zip")
    if not root.is_file():
        pytest.skip(f"needs {root}")
    options = ["--config", str(CONFIGS / "eurosat_ms.yaml"), "--data.init_args.root", str(root)]
    short = ["--data.init_args.batch_size", "32", "--trainer.max_epochs", "6", "--trainer.precision", "32-true"]
    for command in (["fit"], ["test", "--ckpt_path", "best"], ["predict", "--ckpt_path", "best"]):
        assert exit_code([command[0], *options, *short, *command[1:]]) == 0
    report = json.loads(Path("lightning_logs/version_0/test.json").read_text())
    assert report["test/accuracy"] > 0.2
    with open("lightning_logs/version_0/predictions.csv", encoding="utf-8", newline="") as stream:
        files = [row["file"] for row in csv.DictReader(stream)]
    assert len(files) == 74
    assert all(file.endswith(".tif") for file in files)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters"), [("tiny_resnet18", 1_224_058), ("eurosat_ms", 1_225_498), ("cifar10_resnet18", 11_173_962)]
)
def test_networks_have_their_size(name: str, parameters: int, tmp_path: Path) -> None:
    assert exit_code(["fit", *_arguments(name, tmp_path), "--trainer.limit_train_batches", "1"]) == 0
    state = torch.load("lightning_logs/version_0/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    trained = [k for k in state if k.startswith(("encoder.", "decoder.")) and not k.endswith(BUFFERS)]
    assert sum(state[k].numel() for k in trained) == parameters


BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
