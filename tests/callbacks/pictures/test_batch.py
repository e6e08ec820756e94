"""The first batch of a run is shown as the network sees it."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from eurosat_cls.callbacks.pictures import batch as batch_picture

Run = Callable[..., tuple[int, str]]
PICTURE = ("--pictures", "[{class_path: BatchPicture}]")


def images(folder: str) -> list[np.ndarray]:
    events = EventAccumulator(folder)
    events.Reload()
    if "train/batch" not in events.Tags()["images"]:
        return []
    return [np.asarray(Image.open(io.BytesIO(event.encoded_image_string))) for event in events.Images("train/batch")]


def test_a_run_that_goes_on_shows_one_batch(run: Run) -> None:
    assert run("fit", *PICTURE)[0] == 0
    assert run("fit", *PICTURE, "--ckpt_path", "last", "--trainer.max_epochs", "2")[0] == 0
    (picture,) = images("lightning_logs/version_0")
    assert picture.shape[1] > 8 * 128
    assert picture.std() > 20


def test_it_is_the_augmented_batch_with_its_shares(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []

    def record(images: np.ndarray, targets: np.ndarray, *rest: object) -> np.ndarray:
        seen.append(targets)
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(batch_picture, "draw_batch", record)
    augment = '[{"class_path": "Mixup", "init_args": {"alpha": 1.0, "probability": 1.0}}]'
    assert run("fit", *PICTURE, "--data.init_args.augment", augment)[0] == 0
    (targets,) = seen
    assert targets.shape == (40, 10)
    np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-5)
    assert (targets.max(1) < 0.99).mean() > 0.5


def test_a_run_without_tensorboard_shows_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_picture, "draw_batch", None)
    assert run("fit", *PICTURE, "--trainer.logger", "false")[0] == 0
    assert not list(Path("lightning_logs").glob("**/events*"))
