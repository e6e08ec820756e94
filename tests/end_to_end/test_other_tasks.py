"""Yes or no, and several labels: what can be said there of doubts, and in one line what cannot."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from eurosat_cls.cli.out_of_fold import run as score_merged
from eurosat_cls.search.folds import MERGED, print_folds, write_folds
from eurosat_cls.search.rows import Row
from tests.conftest import CONFIGS, QUICK, exit_code
from tests.data.generated import make_table, multilabel_rows, single_label_rows

LOGS = Path("lightning_logs")
NO_SETS = "--error_rate: sets of classes are for one class of several, not for several labels."


def given(task: str, folder: Path) -> list[str]:
    """Arguments of a training of a second, on images that are made here."""
    rows = multilabel_rows(100) if task == "multilabel" else single_label_rows(50, ["field", "water"])
    data: dict[str, Any] = {"table": str(make_table(folder / "labels.csv", rows)), "task": task, "batch_size": 16}
    settings = {**QUICK, "data": {"init_args": data}, "checkpoint": {"monitor": "val/accuracy"}}
    (folder / "quick.yaml").write_text(yaml.safe_dump(settings))
    return ["--config", str(CONFIGS / "multilabel.yaml"), "--config", str(folder / "quick.yaml")]


def fold(number: int) -> list[str]:
    return ["--data.init_args.split", "FoldSplit", "--data.init_args.split.folds", "2",
            "--data.init_args.split.fold", str(number)]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_doubts_are_told_or_refused_in_a_line(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, rows = given(task, tmp_path), []

    def run(command: str, *more: str, code: int = 0) -> str:
        capsys.readouterr()
        assert exit_code([command, *more]) == code, capsys.readouterr().err
        captured = capsys.readouterr()
        return captured.out + captured.err

    for number in (0, 1):
        run("fit", *options, *fold(number))
        place = LOGS / f"version_{number}"
        best = ["--ckpt_path", str(place / "checkpoints/best.ckpt")]
        assert "right: " in run("test", *options, *fold(number), *best)
        tested = json.loads((place / "test.json").read_text())
        assert ("conformal" in tested) == (task == "binary")
        attrs = {"folder": str(place), "metrics": {"test/accuracy": tested["test/accuracy"]}}
        rows.append(Row(number, "complete", 0.5, {"seed_everything": 0, "fold": number}, attrs))

    run("predict", *options, *fold(1), *best, "--min_familiarity", "0.3")
    with open(LOGS / "version_1/predictions.csv", encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert {row["predicted"] for row in found if float(row["familiarity"]) < 0.3} == {"unfamiliar"}
    for command in ("predict", "test"):
        code = 0 if task == "binary" else 2
        printed = run(command, *options, *fold(1), *best, "--error_rate", "0.2", code=code)
        assert (NO_SETS in printed) == (task == "multilabel")
    with open(LOGS / "version_1/predictions.csv", encoding="utf-8", newline="") as stream:
        sets = {row.get("set", "") for row in csv.DictReader(stream)}
    assert sets <= ({"", "field", "water", "field|water"} if task == "binary" else {""})
    run("test", *options, *fold(1), *best)

    write_folds(rows, LOGS, "a test")
    capsys.readouterr()
    score_merged(
        [str(LOGS / "out_of_fold.csv"), str(LOGS / MERGED), *options, "--config", f"{LOGS / MERGED}/config.yaml"]
    )
    print_folds(LOGS)
    merged = json.loads((LOGS / MERGED / "test.json").read_text())
    assert merged["right"]["images"] == merged["patches"]["of"] == 100
    assert merged["right"]["low"] < merged["right"]["share"] <= merged["right"]["high"]
    pooled = json.loads((LOGS / "folds.json").read_text())["conformal"]
    assert [one["images"] for one in pooled.values()] == ([100] if task == "binary" else [])
    said = capsys.readouterr().out
    assert said.count("sets of classes that hold the truth") == (task == "binary")
    assert "upgrade RUN" not in said, "all folds together are no checkpoint"

    refused = task == "multilabel"
    printed = run("audit", str(LOGS), code=2 if refused else 0)
    assert ("audit is for patches with one label each" if refused else "100 patches have answers") in printed
