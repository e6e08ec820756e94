"""The exported encoder is that of the best checkpoint, whole or not there."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from safetensors import safe_open
from safetensors.torch import load_file

import eurosat_cls
from eurosat_cls import AutoEncoder, Trainer, UserError
from eurosat_cls.callbacks import Checkpoints, EncoderExport, WeightAverage, encoder_export
from eurosat_cls.checkpoints.weights import Weights
from eurosat_cls.data import Demo
from eurosat_cls.decoders import LinearReconstruction
from eurosat_cls.encoders import ResNet
from tests.conftest import BARE

TINY = partial(ResNet, widths=(8, 16), blocks=(1, 1))


class Worse(Callback):
    """Log a metric in which every later epoch is worse than the first."""

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        pl_module.log("val/loss_of_time", float(trainer.current_epoch))


def model(data: Demo, seed: int = 0, **arguments: Any) -> AutoEncoder:
    torch.manual_seed(seed)
    return AutoEncoder(
        TINY, partial(LinearReconstruction, scale=4), data.bands, mean=data.mean, std=data.std, **arguments
    )


def fit(folder: Path, *callbacks: Callback, monitor: str | None = None, **arguments: Any) -> AutoEncoder:
    data = Demo(patches_per_class=10, batch_size=20)
    trained = model(data, **arguments)
    quiet = {key: value for key, value in BARE.items() if key != "enable_checkpointing"}
    given = [*callbacks, Checkpoints(monitor, "min", str(folder / "checkpoints")), EncoderExport()]
    trainer = Trainer(max_epochs=2, accelerator="cpu", precision="32-true", callbacks=given, **quiet)
    trainer.fit(trained, datamodule=data)
    return trained


def encoder_of(checkpoint: Path) -> tuple[int, dict[str, torch.Tensor]]:
    saved = torch.load(checkpoint, weights_only=True)
    tensors = {name.removeprefix("encoder."): value for name, value in saved["state_dict"].items()}
    return saved["epoch"], {name: tensors[name] for name in model(Demo(20)).encoder.state_dict()}


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.mark.slow
@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_the_file_holds_the_encoder_of_the_best_epoch(memory_format: str, tmp_path: Path) -> None:
    trained = fit(tmp_path, Worse(), monitor="val/loss_of_time", memory_format=memory_format)
    exported = load_file(tmp_path / "encoder.safetensors")
    epoch, best = encoder_of(tmp_path / "checkpoints/best.ckpt")
    assert epoch == 0
    assert_same(exported, best)
    assert not torch.equal(exported["stem.0.weight"], trained.encoder.state_dict()["stem.0.weight"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "encoder.safetensors"]


def test_its_metadata_say_what_it_is(tmp_path: Path) -> None:
    trained = fit(tmp_path)
    with safe_open(tmp_path / "encoder.safetensors", "pt") as file:
        said = file.metadata()
    encoder = json.loads(said["encoder"])
    assert encoder["class_path"].endswith("ResNet")
    assert encoder["init_args"] == {"widths": [8, 16], "blocks": [1, 1]}
    assert json.loads(said["bands"]) == trained.bands
    assert json.loads(said["mean"]) == pytest.approx(trained.normalize.mean.tolist())
    assert json.loads(said["std"]) == pytest.approx(trained.normalize.std.tolist())
    assert said["eurosat_cls"] == eurosat_cls.__version__
    assert said["epoch"] in ("1", "2")


def test_averaged_weights_are_the_ones_that_are_exported(tmp_path: Path) -> None:
    fit(tmp_path, WeightAverage(decay=0.9))
    exported = load_file(tmp_path / "encoder.safetensors")
    best = torch.load(tmp_path / "checkpoints/best.ckpt", weights_only=True)
    name = "stem.0.weight"
    assert torch.equal(exported[name], best["state_dict"][f"encoder.{name}"])
    assert not torch.equal(exported[name], best["raw_state_dict"][f"encoder.{name}"])


def test_another_network_takes_it_up(tmp_path: Path) -> None:
    fit(tmp_path)
    other = model(Demo(patches_per_class=10), seed=5)
    epoch_outputs = Weights(str(tmp_path / "encoder.safetensors")).load_into(other)
    assert_same(dict(other.encoder.state_dict()), encoder_of(tmp_path / "checkpoints/best.ckpt")[1])
    assert epoch_outputs["missing"] == epoch_outputs["unused"] == []


def test_without_checkpoints_the_last_weights_are_written_where_one_says(tmp_path: Path) -> None:
    data = Demo(patches_per_class=10, batch_size=20)
    trained = model(data)
    export = EncoderExport(str(tmp_path / "deep/mine.safetensors"))
    Trainer(max_epochs=1, accelerator="cpu", precision="32-true", callbacks=[export], **BARE).fit(
        trained, datamodule=data
    )
    assert_same(load_file(tmp_path / "deep/mine.safetensors"), dict(trained.encoder.state_dict()))


def test_a_file_that_cannot_be_written_leaves_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(b"earlier")

    def full(tensors: object, part: Path, metadata: object) -> None:
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(encoder_export, "save_file", full)
    with pytest.raises(UserError, match=r"encoder\.safetensors: cannot be written \(No space left"):
        encoder_export.write_encoder(path, {"encoder.weight": torch.zeros(2)}, {})
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]
