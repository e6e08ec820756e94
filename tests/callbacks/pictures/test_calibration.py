"""Calibration of a run: the picture, the metrics in three places, and probabilities when asked."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eurosat_cls.callbacks.pictures.calibration import Calibration
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.models.stage_scores import StageScores
from tests.data.generated import make_table, multilabel_rows, single_label_rows

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")
ON = ("--pictures", '[{"class_path": "Calibration"}]')


def predictions() -> list[dict[str, str]]:
    with open(RUN / "predictions.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_run_is_calibrated_from_end_to_end(run: Run) -> None:
    assert run("fit", *ON)[0] == 0
    assert set(json.loads((RUN / "calibration.json").read_text())) == {"val"}
    code, printed = run("test", "--ckpt_path", "best", *ON)
    assert code == 0
    assert "calibration error" in printed
    assert "not applied" in printed
    for name in ("calibration_val", "calibration_test", "calibration"):
        with Image.open(RUN / f"{name}.png") as picture:
            assert np.asarray(picture).std() > 5
    assert (RUN / "calibration.png").read_bytes() == (RUN / "calibration_test.png").read_bytes()
    found = json.loads((RUN / "calibration.json").read_text())
    assert set(found) == {"val", "test"}
    tested = json.loads((RUN / "test.json").read_text())["calibration"]
    assert tested["after"] == found["test"]["after"]
    assert tested["before"]["expected_calibration_error"] != tested["after"]["expected_calibration_error"]
    assert len(tested["before"]["bins"]) == 15
    assert sum(bin["count"] for bin in tested["before"]["bins"]) == tested["patches"]

    apply = ("--model.init_args.calibrate", "true")
    assert "(applied)" in run("test", "--ckpt_path", "best", *apply)[1]
    again = json.loads((RUN / "test.json").read_text())
    assert again["calibration"]["before"] == tested["before"], "the network's own logits are what is judged"
    assert run("predict", "--ckpt_path", "best")[0] == 0
    before = predictions()
    assert run("predict", "--ckpt_path", "best", *apply)[0] == 0
    after = predictions()
    assert [row["predicted"] for row in before] == [row["predicted"] for row in after]
    assert [row["confidence"] for row in before] != [row["confidence"] for row in after]


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_other_tasks_are_calibrated_too(task: str, run: Run, tmp_path: Path) -> None:
    rows = single_label_rows(40, ["clear", "cloudy"]) if task == "binary" else multilabel_rows(80)
    table = make_table(tmp_path / "labels.csv", rows)
    data = ("--data", "Table", "--data.init_args.table", str(table), "--data.init_args.task", task,
            "--data.init_args.batch_size", "16", "--model.init_args.loss", "null")  # fmt: skip
    assert run("fit", *data, *ON)[0] == 0
    code, printed = run("test", "--ckpt_path", "best", *data, *ON)
    assert code == 0, printed
    found = json.loads((RUN / "calibration.json").read_text())["test"]
    labels = 1 if task == "binary" else len(json.loads((RUN / "test.json").read_text())["per_class"])
    assert sum(bin["count"] for bin in found["before"]["bins"]) == labels * found["patches"]
    assert (RUN / "calibration.png").is_file()


def test_logits_without_a_number_are_one_warning(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = StageScores.epoch_outputs

    def broken(self: StageScores) -> EpochOutputs:
        outputs = real(self)
        return outputs._replace(logits=torch.full_like(outputs.logits, torch.nan))

    monkeypatch.setattr(StageScores, "epoch_outputs", broken)
    with pytest.warns(UserWarning, match="no patch has finite logits"):
        assert run("fit", *ON)[0] == 0
    assert not (RUN / "calibration.json").exists()


def test_a_damaged_file_of_metrics_is_written_anew(run: Run) -> None:
    assert run("fit", *ON)[0] == 0
    (RUN / "calibration.json").write_text("[1, 2")
    assert run("test", "--ckpt_path", "best", *ON)[0] == 0
    assert set(json.loads((RUN / "calibration.json").read_text())) == {"test"}


def test_the_interval_is_checked() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Calibration(0)
