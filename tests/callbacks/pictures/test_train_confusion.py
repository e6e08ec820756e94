"""The confusion matrix of the training patches: every patch once, without augmentation, and only when asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eurosat_cls import load
from eurosat_cls.analysis.plots import confusion
from eurosat_cls.data import Demo

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")
ON = ("--pictures", '[{"class_path": "ConfusionMatrix", "init_args": {"train": true}}]')
NOISE = ("--data.init_args.augment", '[{"class_path": "Noise", "init_args": {"probability": 1.0}}]')


def test_it_counts_training_patches_as_they_are(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, np.ndarray] = {}
    real = confusion.draw_confusion

    def draw(matrix: np.ndarray, names: Any, note: str) -> Any:
        drawn[note.partition(",")[0]] = matrix
        return real(matrix, names, note)

    monkeypatch.setattr(confusion, "draw_confusion", draw)
    assert run("fit", *ON, *NOISE)[0] == 0
    assert (RUN / "confusion_matrix_train.png").is_file()
    assert set(drawn) == {"val", "train"}
    data, model = Demo(patches_per_class=20), load(RUN / "checkpoints/last.ckpt")
    predicted = model.predict(torch.from_numpy(data.store.read(data.split.train))).probabilities.argmax(1)
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (data.store.labels[data.split.train], predicted), 1)
    assert (drawn["train"] == expected).all()


def test_it_is_not_drawn_unless_asked_for(run: Run) -> None:
    assert run("fit")[0] == 0
    assert not (RUN / "confusion_matrix_train.png").exists()
