"""Validation patches are drawn after every validation, always the same ones."""

import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from eurosat_cls import AutoEncoder, Classifier, Trainer, UserError
from eurosat_cls.callbacks import Reconstructions
from eurosat_cls.callbacks.pictures import reconstructions
from eurosat_cls.data import Demo
from eurosat_cls.decoders import LinearReconstruction
from eurosat_cls.encoders import ResNet
from tests.conftest import BARE

TINY = partial(ResNet, widths=(8, 16), blocks=(1, 1))


def fit(callback: Reconstructions, folder: Path, epochs: int = 2, **settings: Any) -> Demo:
    data = Demo(patches_per_class=10, batch_size=6)
    torch.manual_seed(0)
    model = AutoEncoder(TINY, partial(LinearReconstruction, scale=4), data.bands, mean=data.mean, std=data.std)
    quiet = {key: value for key, value in BARE.items() if key != "logger"}
    chosen = {"logger": TensorBoardLogger(folder, ""), "precision": "32-true", **settings}
    Trainer(max_epochs=epochs, accelerator="cpu", callbacks=[callback], **quiet, **chosen).fit(model, datamodule=data)
    return data


@pytest.mark.slow
def test_tensorboard_gets_a_picture_after_every_validation(tmp_path: Path) -> None:
    fit(Reconstructions(), tmp_path)
    events = EventAccumulator(str(tmp_path / "version_0"))
    events.Reload()
    assert events.Tags()["images"] == ["val/reconstructions"]
    drawn = events.Images("val/reconstructions")
    assert [event.step for event in drawn] == [10, 20]
    pictures = [np.asarray(Image.open(io.BytesIO(event.encoded_image_string))) for event in drawn]
    assert pictures[0].shape == pictures[1].shape
    assert pictures[0].shape[1] > 8 * 128
    head = slice(0, 370)  # originals and masked ones
    assert np.array_equal(pictures[0][head], pictures[1][head])
    assert not np.array_equal(pictures[0], pictures[1])


@pytest.mark.slow
@pytest.mark.parametrize("patches", [1, 3, 8, 100])
def test_patches_are_spread_over_the_validation_part(
    patches: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []

    def record(original: np.ndarray, *rest: object) -> np.ndarray:
        seen.append(original)
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(reconstructions, "draw_reconstructions", record)
    data = fit(Reconstructions(patches), tmp_path, epochs=1)
    pixels = data.store.read(data.split.val)
    (drawn,) = seen
    assert len(drawn) == min(patches, len(pixels))
    places = [int(np.abs(pixels - patch).reshape(len(pixels), -1).max(1).argmin()) for patch in drawn]
    assert all(np.abs(pixels[place] - patch).max() < 0.01 for place, patch in zip(places, drawn, strict=True))
    assert places == sorted(set(places))
    if patches in (3, 8):
        assert places[0] < 6
        assert places[-1] >= len(pixels) - 6


def test_it_draws_in_bfloat16_too(tmp_path: Path) -> None:
    fit(Reconstructions(2), tmp_path, epochs=1, precision="bf16-mixed")
    assert list(tmp_path.glob("version_0/events*"))


def test_without_tensorboard_nothing_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconstructions, "draw_reconstructions", None)
    fit(Reconstructions(), tmp_path, epochs=1, logger=False)


def test_it_is_for_autoencoders() -> None:
    data = Demo(patches_per_class=10, batch_size=20)
    with pytest.raises(UserError, match="an AutoEncoder restores, not a Classifier"):
        Trainer(max_epochs=1, accelerator="cpu", precision="32-true", callbacks=[Reconstructions()], **BARE).fit(
            Classifier(TINY, data.class_names, data.bands), datamodule=data
        )
    with pytest.raises(UserError, match="at least 1, got 0"):
        Reconstructions(0)
