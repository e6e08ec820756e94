"""The pictures of every run: confusion matrix and learning curves."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eurosat_cls import Classifier, Trainer
from eurosat_cls.analysis.plots.confusion import draw_confusion
from eurosat_cls.analysis.plots.curves import draw_curves
from eurosat_cls.analysis.report.epoch_table import read_metrics
from eurosat_cls.callbacks import ConfusionMatrix
from eurosat_cls.data import Demo
from eurosat_cls.models.predictions import OutputCollector
from tests.conftest import BARE
from tests.models.test_classifier import TINY

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")
PICTURES = ("--pictures", "[{class_path: ConfusionMatrix}, {class_path: LearningCurves}]")


def test_a_run_and_its_test_leave_their_pictures(run: Run) -> None:
    assert run("fit", *PICTURES)[0] == 0
    assert run("test", "--ckpt_path", "best", *PICTURES)[0] == 0
    for name in ("confusion_matrix_val", "confusion_matrix_test", "curves"):
        with Image.open(RUN / f"{name}.png") as picture:
            assert picture.width < 2000
            assert np.asarray(picture).std() > 5, "something is drawn"
    rows = read_metrics(RUN / "metrics.csv")
    assert list(rows) == [1, 2]
    assert all(0 <= row["val/accuracy"] <= 1 for row in rows.values())


def test_pictures_can_be_switched_off(run: Run) -> None:
    assert run("fit", "--pictures", "[]")[0] == 0
    assert not list(RUN.glob("*.png"))


def test_the_table_of_epochs_survives_a_resume(run: Run) -> None:
    assert run("fit", *PICTURES, "--model.init_args.lr_scheduler", "null")[0] == 0
    before = read_metrics(RUN / "metrics.csv")
    again = ["--model.init_args.lr_scheduler", "null", "--trainer.max_epochs", "3"]
    assert run("fit", *PICTURES, "--ckpt_path", str(RUN / "checkpoints/last.ckpt"), *again)[0] == 0
    after = read_metrics(RUN / "metrics.csv")
    assert list(after) == [1, 2, 3]
    assert {epoch: after[epoch] for epoch in before} == before


def test_a_picture_that_cannot_be_written_ends_no_training(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.replace

    def full(source: str, target: str, **folders: int) -> None:
        if str(target).endswith((".png", ".csv")):
            raise OSError(28, "No space left on device")
        real(source, target, **folders)

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="cannot be written"):
        code, _ = run("fit", *PICTURES)
    assert code == 0
    assert (RUN / "checkpoints/best.ckpt").is_file()


@pytest.mark.slow
def test_every_n_epochs_and_the_end_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(ConfusionMatrix, "draw", lambda self, trainer, *_: drawn.append(trainer.current_epoch))
    data = Demo(patches_per_class=20, batch_size=40)
    for every, epochs in ((2, [0, 2, 4]), (3, [0, 3, 5]), (None, [5])):
        drawn.clear()
        model = Classifier(TINY, data.class_names, data.bands, mean=data.mean, std=data.std)
        trainer = Trainer(max_epochs=5, accelerator="cpu", precision="32-true", default_root_dir=tmp_path,
                          callbacks=[ConfusionMatrix(every)], **BARE)  # fmt: skip
        trainer.fit(model, datamodule=data)
        assert drawn == epochs


def test_outcomes_hold_every_patch_once_in_the_stores_order() -> None:
    output_collectors = OutputCollector()
    output_collectors.update(torch.tensor([[3.0], [1.0]]), torch.tensor([1, 0]), torch.tensor([7, 2]))
    output_collectors.update(torch.tensor([[3.0], [2.0]]), torch.tensor([1, 1]), torch.tensor([7, 5]))
    found = output_collectors.compute()
    assert found.indices.tolist() == [2, 5, 7]
    assert found.logits.flatten().tolist() == [1.0, 2.0, 3.0]
    assert found.target.tolist() == [0, 1, 1]
    output_collectors.reset()
    assert output_collectors.logits == []


@pytest.mark.parametrize("classes", [2, 10, 60])
def test_a_confusion_matrix_of_any_size_is_drawn(classes: int) -> None:
    matrix = np.eye(classes, dtype=int) * 50
    matrix[0] = 0  # a class without patches
    metric = draw_confusion(matrix, [f"class {k}" for k in range(classes)])
    texts = [text.get_text() for axes in metric.axes for text in axes.texts]
    assert len(texts) == classes - 1
    assert all(text.startswith("50") for text in texts)


def test_a_matrix_of_labels_is_described_as_what_it_is() -> None:
    matrix = np.array([[[8, 2], [1, 3]], [[0, 0], [5, 5]]])
    figure = draw_confusion(matrix, ["field", "water"], "test, 14 patches")
    texts = [text.get_text() for text in (*figure.texts, *figure.axes[0].texts)]
    assert "colour: share of the patches without the label, of those with it" in " ".join(texts)
    assert {"8\n80.0 %", "2\n20.0 %", "1\n25.0 %", "3\n75.0 %", "5\n50.0 %"} <= set(texts)
    assert figure.axes[0].get_ylabel() == "label"


def test_curves_leave_out_what_is_no_number() -> None:
    metric = draw_curves({1: {"train/loss": float("nan"), "val/loss": 2.0}, 2: {"train/loss": 1.0}})
    (axes,) = metric.axes
    assert {"train", "val"} <= {line.get_label() for line in axes.lines}
    assert all(np.isfinite(np.asarray(line.get_ydata(), float)).all() for line in axes.lines)
