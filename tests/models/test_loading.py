"""A checkpoint alone makes a ready model, and nothing in it is run."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import eurosat_cls
from eurosat_cls import Classifier, UserError
from eurosat_cls.data import Demo
from eurosat_cls.encoders import ResNet

Run = Callable[..., tuple[int, str]]


@pytest.mark.usefixtures("trained")
def test_a_run_folder_becomes_a_model_that_predicts_like_the_command(run: Run) -> None:
    assert run("predict", "--ckpt_path", "best")[0] == 0
    model = eurosat_cls.load("lightning_logs/version_0")
    data = Demo(patches_per_class=20)
    rows = data.split.test
    predictions = model.predict(data.store.read(rows))
    lines = Path("lightning_logs/version_0/predictions.csv").read_text().splitlines()[1:]
    assert [line.split(",")[1] for line in lines] == predictions.names
    written = np.array([[float(v) for v in line.split(",")[3:]] for line in lines])
    assert predictions.familiarity is not None
    expected = np.column_stack([predictions.probabilities, predictions.familiarity])
    np.testing.assert_allclose(expected, written, atol=2e-5)
    np.testing.assert_allclose(predictions.confidence, predictions.probabilities.max(1))
    one = model.predict(torch.from_numpy(data.store.read(rows[:1])[0]))
    assert one.names == predictions.names[:1]
    assert not model.training


def checkpoint(path: Path, **changed: Any) -> Path:
    model = Classifier(partial(ResNet, widths=(8,), blocks=(1,)), ["a", "b"], ["B04"], mean=[90.0], std=[30.0])
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": {**dict(model.hparams), **changed}}, path)
    return path


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"class_path": "antigravity.Fly"}, "antigravity.Fly is refused"),
        ({"class_path": "pip_install.Fly"}, "pip_install.Fly is of a package that is not trusted: --trust pip_install"),
        ({"class_path": "torch.load", "init_args": {"f": "x"}}, "torch.load is refused"),
        ({"class_path": "torch.nn.Nothing"}, "torch.nn.Nothing cannot be imported"),
        ({"class_path": "eurosat_cls.encoders.ResNet", "init_args": {"widths": {"class_path": "os.system"}}},
         "os.system"),
    ],
)  # fmt: skip
def test_classes_planted_in_a_checkpoint_are_refused(spec: dict[str, Any], said: str, tmp_path: Path) -> None:
    import sys

    with pytest.raises(UserError, match=said):
        eurosat_cls.load(checkpoint(tmp_path / "a.ckpt", encoder=spec))
    assert "antigravity" not in sys.modules


def test_a_package_of_ones_own_is_trusted_when_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("from eurosat_cls.encoders import ResNet\nclass Own(ResNet):\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = {"class_path": "mine.Own", "init_args": {"widths": [8], "blocks": [1]}}
    path = checkpoint(tmp_path / "a.ckpt", encoder=spec)
    with pytest.raises(UserError, match=r"trust=\['mine'\]"):
        eurosat_cls.load(path)
    assert type(eurosat_cls.load(path, trust=["mine"]).encoder).__name__ == "Own"


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "hyper_parameters": {"lr": 1.0}}, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match="not a checkpoint of a Classifier"):
        eurosat_cls.load(tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=r"no checkpoints/best\.ckpt"):
        eurosat_cls.load(tmp_path)


@pytest.mark.parametrize(
    ("shape", "dtype", "said"),
    [((2, 3, 8, 8), np.uint8, r"\[2, 3, 8, 8\]; the model takes \[N, 1, H, W\]"), ((2, 1, 8, 8), np.float32, "unit")],
)
def test_wrong_arrays_are_refused(shape: tuple[int, ...], dtype: type, said: str, tmp_path: Path) -> None:
    model = eurosat_cls.load(checkpoint(tmp_path / "a.ckpt"))
    images = np.full(shape, 90 if dtype is np.uint8 else 0.01, dtype=dtype)
    with pytest.raises(UserError, match=said):
        model.predict(images)
