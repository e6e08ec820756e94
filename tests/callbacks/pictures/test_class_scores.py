"""Scores of the classes over a training: in a table, in TensorBoard and as pictures."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from eurosat_cls.analysis.class_scores import read_scores
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.models.stage_scores import StageScores
from tests.data.generated import make_table, multilabel_rows, single_label_rows

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")
TABLE = RUN / "class_scores.csv"
ON = ("--pictures", '[{"class_path": "ClassScores"}]')
STAYS = ("--model.init_args.lr_scheduler", "null")  # a schedule that a longer training can go on with


def test_a_run_and_its_test_leave_table_scalars_and_pictures(run: Run) -> None:
    assert run("fit", *ON)[0] == 0
    code, _ = run("test", "--ckpt_path", "best", *ON)
    assert code == 0
    names = ["class_scores", *(f"{kind}_{stage}" for kind in ("precision_recall", "roc", "labels")
                               for stage in ("val", "test"))]  # fmt: skip
    for name in names:
        with Image.open(RUN / f"{name}.png") as picture:
            assert np.asarray(picture).std() > 5
    rows = read_scores(TABLE)
    assert list(rows) == [1, 2]
    events = EventAccumulator(str(RUN))
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith("val_class_")]
    # There is no precision of a class that is never predicted.
    assert 30 < len(tags) <= 40
    assert sorted(events.Tags()["scalars"])[-len(tags) :] == sorted(tags), "behind those of the whole"
    assert {tag.split("/")[0] for tag in events.Tags()["images"]} == {"pictures_of_classes"}
    points = events.Scalars("val_class_f1/DemoForest")
    assert [point.value for point in points] == pytest.approx([rows[e]["DemoForest"].f1 for e in (1, 2)], abs=1e-5)
    assert [point.step for point in points] == [3, 6]


def test_the_table_of_a_continued_training_is_that_of_an_uninterrupted_one(run: Run) -> None:
    assert run("fit", *ON, *STAYS, "--trainer.max_epochs", "4")[0] == 0
    uninterrupted = TABLE.read_text()
    second = Path("lightning_logs/version_1")
    assert run("fit", *ON, *STAYS)[0] == 0
    # A process that is killed may leave rows of an epoch that is not in the checkpoint, and half of a row.
    with open(second / "class_scores.csv", "a", encoding="utf-8") as stream:
        stream.write("3,DemoForest,4,0.1,0.1,0.1,0.1\n3,DemoRiv")
    last = str(second / "checkpoints/last.ckpt")
    assert run("fit", *ON, *STAYS, "--trainer.max_epochs", "4", "--ckpt_path", last)[0] == 0
    assert (second / "class_scores.csv").read_text() == uninterrupted


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_other_tasks_have_scores_too(task: str, run: Run, tmp_path: Path) -> None:
    rows = single_label_rows(40, ["clear", "cloudy"]) if task == "binary" else multilabel_rows(80)
    table = make_table(tmp_path / "labels.csv", rows)
    data = ("--data", "Table", "--data.init_args.table", str(table), "--data.init_args.task", task,
            "--data.init_args.batch_size", "16", "--model.init_args.loss", "null")  # fmt: skip
    assert run("fit", *data, *ON)[0] == 0
    scores = read_scores(TABLE)[2]
    assert len(scores) == (2 if task == "binary" else 3)
    assert all(0 <= score.average_precision <= 1 for score in scores.values())
    assert len(list(RUN.glob("*_val.png"))) == 3


def broken(change: Callable[[EpochOutputs], EpochOutputs]) -> Any:
    real = StageScores.epoch_outputs

    def epoch_outputs(self: StageScores) -> EpochOutputs:
        return change(real(self))

    return epoch_outputs


def test_a_class_without_patches_and_one_class_alone_end_no_training(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StageScores, "epoch_outputs", broken(lambda o: o._replace(target=torch.full_like(o.target, 3))))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert run("fit", *ON)[0] == 0
    scores = read_scores(TABLE)[2]
    assert scores["DemoForest"].images == 0
    assert np.isnan(scores["DemoForest"].f1)
    assert len(list(RUN.glob("*_val.png"))) == 3


def test_nan_logits_are_one_warning(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    nan = broken(lambda o: o._replace(logits=torch.full_like(o.logits, torch.nan)))
    monkeypatch.setattr(StageScores, "epoch_outputs", nan)
    with pytest.warns(UserWarning, match="ClassScores: no patch has finite logits"):
        assert run("fit", *ON)[0] == 0
    assert (RUN / "labels_val.png").is_file()


def test_a_folder_that_cannot_be_written_ends_no_training(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.replace

    def full(source: str, target: str, **folders: int) -> None:
        if str(target).endswith((".png", ".csv")):
            raise OSError(28, "No space left on device")
        real(source, target, **folders)

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="cannot be written") as told:
        assert run("fit", *ON)[0] == 0
    said = [str(one.message) for one in told]
    assert any("class_scores.csv: cannot be written" in text for text in said)
    assert any("labels_val.png: cannot be written" in text for text in said)


def test_a_trial_run_leaves_no_table(run: Run) -> None:
    assert run("fit", *ON, "--trainer.fast_dev_run", "true")[0] == 0
    assert not list(Path("lightning_logs").glob("**/class_scores.csv"))
