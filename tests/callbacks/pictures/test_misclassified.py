"""The errors that a test leaves behind are those that it made."""

import csv
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from eurosat_cls import Classifier, Trainer, UserError
from eurosat_cls.callbacks import Misclassified
from eurosat_cls.checkpoints.files import read_checkpoint
from eurosat_cls.data import Demo, Table
from eurosat_cls.data.batch import TaskName
from eurosat_cls.models.predictions import EpochOutputs
from tests.conftest import BARE
from tests.data.generated import make_table, multilabel_rows, single_label_rows
from tests.models.test_classifier import TINY

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")
PICTURES = '[{"class_path": "eurosat_cls.callbacks.Misclassified"}]'


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "misclassified.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def draw(folder: Path, epoch_outputs: EpochOutputs, temperature: float = 1.0, **arguments: Any) -> list[dict[str, str]]:
    """Draw an epoch_outputs of the demo data as a test would; return the rows of the table."""
    data = Demo(patches_per_class=4, batch_size=2)
    trainer = Trainer(accelerator="cpu", precision="32-true", default_root_dir=folder, **BARE)
    trainer.datamodule = data  # type: ignore[attr-defined]
    model = Classifier(TINY, data.class_names, data.bands, mean=data.mean, std=data.std, calibrate=True)
    model.temperature.fill_(temperature)
    Misclassified(**arguments).draw(trainer, model, "test", epoch_outputs)
    return table(folder)


def size(folder: Path) -> tuple[int, int]:
    with Image.open(folder / "misclassified.png") as picture:
        return picture.size


def epoch_outputs(logits: torch.Tensor) -> EpochOutputs:
    """Of the first patches of the demo data, which are of class 0, then 1 and so on, 4 of each."""
    return EpochOutputs(logits, torch.arange(len(logits)) // 4, torch.arange(len(logits)))


def test_a_training_and_its_test_leave_the_picture_and_all_errors(run: Run) -> None:
    assert run("fit", "--pictures", PICTURES)[0] == 0
    validation = (RUN / "misclassified.png").read_bytes()
    assert run("test", "--ckpt_path", "best", "--pictures", PICTURES)[0] == 0
    assert (RUN / "misclassified.png").read_bytes() != validation
    rows = table(RUN)
    result = json.loads((RUN / "test.json").read_text())
    matrix = np.array(result["confusion_matrix"])
    assert len(rows) == matrix.sum() - matrix.trace() > 0
    confidence = [float(row["confidence"]) for row in rows]
    assert confidence == sorted(confidence, reverse=True)
    for row in rows:
        assert row["file"].startswith(f"{row['true']}/"), "the file is the one of that patch"
        assert row["predicted"] != row["true"]
        assert float(row["confidence"]) > float(row["true_probability"])
    events = EventAccumulator(str(RUN), size_guidance={"images": 0})
    events.Reload()
    best = read_checkpoint(RUN / "checkpoints/best.ckpt")["global_step"]
    assert [image.step for image in events.Images("pictures/misclassified")] == [6, best]
    assert [point.step for point in events.Scalars("test/accuracy")] == [best]
    assert best > 0


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_other_tasks_have_errors_too(task: TaskName, tmp_path: Path) -> None:
    rows = single_label_rows(20, ("field", "water")) if task == "binary" else multilabel_rows(60)
    data = Table(str(make_table(tmp_path / "table.csv", rows)), task=task, batch_size=8)
    model = Classifier(TINY, data.class_names, data.bands, task=task, mean=data.mean, std=data.std,
                       optimizer=partial(torch.optim.SGD, lr=0.0))  # fmt: skip
    trainer = Trainer(max_epochs=1, accelerator="cpu", precision="32-true", default_root_dir=tmp_path,
                      callbacks=[Misclassified(patches=5)], **BARE)  # fmt: skip
    trainer.fit(model, datamodule=data)
    found = table(tmp_path)
    assert found
    true = model.val_scores.epoch_outputs()
    scored, target = model.rules.scored(true.logits, true.target, model.threshold)
    assert len(found) == int(((scored > 0.5).long() != target).sum())
    for row in found:
        assert 0.5 <= float(row["confidence"]) <= 1
        assert float(row["confidence"]) + float(row["true_probability"]) == pytest.approx(1, abs=2e-6)
        if task == "multilabel":
            assert {row["true"], row["predicted"]} == {row["label"], f"no {row['label']}"}
    assert size(tmp_path)[0] > 300


def test_no_error_leaves_an_empty_table_and_a_picture_of_hits(tmp_path: Path) -> None:
    right = torch.eye(10)[torch.arange(40) // 4] * 3
    assert draw(tmp_path, epoch_outputs(right)) == []
    assert size(tmp_path)[1] > 192


def test_errors_without_a_number_come_last_and_are_not_drawn(tmp_path: Path) -> None:
    logits = torch.eye(10)[torch.arange(8) // 4] * 3
    logits[1] = float("nan")
    logits[6] = torch.eye(10)[9]
    rows = draw(tmp_path, epoch_outputs(logits), patches=3)
    assert [row["predicted"] for row in rows] == ["DemoSeaLake", ""]
    assert rows[1]["confidence"] == "nan"
    with pytest.raises(UserError, match="NaN"):
        draw(tmp_path, epoch_outputs(torch.full((8, 10), float("nan"))))
    assert len(table(tmp_path)) == 8


def test_probabilities_are_calibrated_where_those_of_predict_are(tmp_path: Path) -> None:
    logits = torch.eye(10)[[3]] * 4
    for temperature in (1.0, 2.0):
        (row,) = draw(tmp_path, epoch_outputs(logits), temperature)
        assert float(row["confidence"]) == pytest.approx(float((logits / temperature).softmax(1).max()), abs=1e-6)


def test_the_picture_grows_with_the_patches_asked_for(tmp_path: Path) -> None:
    wrong = torch.eye(10)[(torch.arange(40) // 4 + 1) % 10]
    sizes = []
    for patches in (1, 6, 7, 60):
        draw(tmp_path, epoch_outputs(wrong), patches=patches)
        sizes.append(size(tmp_path))
    assert sizes[0][0] < sizes[1][0] == sizes[2][0]
    assert sizes[1][1] < sizes[2][1] < sizes[3][1]
    for bad in (0, 61):
        with pytest.raises(UserError, match="patches must be from 1 to 60"):
            Misclassified(patches=bad)


def test_a_table_that_cannot_be_written_ends_no_training(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.replace

    def full(source: str, target: str, **folders: int) -> None:
        if str(target).endswith(".csv"):
            raise OSError(28, "No space left on device")
        real(source, target, **folders)

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match=r"Misclassified: .*misclassified.csv: cannot be written"):
        assert run("fit", "--pictures", PICTURES)[0] == 0


def test_other_data_than_patches_is_a_warning(tmp_path: Path) -> None:
    data = Demo(patches_per_class=4, batch_size=4)
    model = Classifier(TINY, data.class_names, data.bands, mean=data.mean, std=data.std)
    trainer = Trainer(accelerator="cpu", precision="32-true", default_root_dir=tmp_path,
                      callbacks=[Misclassified()], **BARE)  # fmt: skip
    with pytest.warns(UserWarning, match="Misclassified: it needs a data module of patches"):
        trainer.test(model, dataloaders=data.test_dataloader(), verbose=False)
