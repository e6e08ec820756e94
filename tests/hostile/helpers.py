"""What hostile inputs are made of."""

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
import yaml

from eurosat_cls import Classifier, UserError
from eurosat_cls.encoders import ResNet
from tests.config.parsers import parsed
from tests.conftest import CONFIGS

MODULE = """
import pathlib
pathlib.Path("won").touch()

from eurosat_cls.encoders import ResNet

class Network(ResNet):
    pass

def build(*arguments, **settings):
    raise RuntimeError("built")
"""


class Touch:
    """Leaves the file behind when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch won",)


def won() -> bool:
    return Path("won").exists()


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that leaves the file behind when it is imported, and can be imported."""
    name = f"stranger_{abs(hash(tmp_path))}"
    (tmp_path / "importable").mkdir()
    (tmp_path / "importable" / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / "importable"))
    sys.modules.pop(name, None)
    return name


def checkpoint(path: Path, **planted: Any) -> Path:
    """Write a checkpoint of a tiny model, with these among its hyper-parameters; ``content`` beside them."""
    model = Classifier(partial(ResNet, widths=(8,), blocks=(1,)), ["a", "b"], ["B04"], mean=[90.0], std=[30.0])
    content = planted.pop("content", {})
    usual = {"pytorch-lightning_version": lightning.__version__, "epoch": 0, "global_step": 1}
    settings = {**dict(model.hparams), **planted}
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": settings, **usual, **content}, path)
    return path


# What a configuration that is planted is laid over.
BASE = ("--config", str(CONFIGS / "tiny_resnet18.yaml"), "--config", str(CONFIGS / "demo.yaml"))


def said(*arguments: str) -> str:
    """What the parser refuses ``fit`` with; nothing is built."""
    with pytest.raises(UserError) as refused:
        parsed("fit", *BASE, *arguments)
    return str(refused.value)


def from_file(settings: dict[str, Any] | str) -> str:
    """What it refuses a file with that holds these settings."""
    Path("evil.yaml").write_text(settings if isinstance(settings, str) else yaml.safe_dump(settings))
    return said("--config", "evil.yaml")


def part(path: str, /, **arguments: Any) -> dict[str, Any]:
    return {"class_path": path, "init_args": arguments}


def nested(key: str, value: Any) -> dict[str, Any]:
    for name in reversed(key.split(".")):
        value = {name: value}
    return dict(value)
