"""Answers of several runs are brought together where they are about the same data, and about unseen patches."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from eurosat_cls.analysis.out_of_fold import read_answers
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import csv_text

Make = Callable[..., Path]
ROWS = {"a.jpg": ("Forest", 0.9), "b.jpg": ("River", 0.2)}


@pytest.fixture
def run(tmp_path: Path) -> Make:
    """Write a tested run folder."""

    def make(
        name: str,
        rows: Mapping[str, tuple[str, float]] = ROWS,
        seed: int = 0,
        classes: Sequence[str] = ("Forest", "River"),
        **split: Any,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump({"seed_everything": seed}))
        state = {"fingerprint": "f", "split_sha256": "s", "source": "data", **split}
        (folder / "test.json").write_text(json.dumps({"split": state}))
        (folder / "environment.json").write_text(json.dumps({"data": {"split_sha256": "s"}}))
        head = ["file", "true", "predicted", "confidence", *classes]
        lines = [[file, true, "?", "1", p, 1 - p] for file, (true, p) in rows.items()]
        (folder / "test_predictions.csv").write_text(csv_text([head, *lines]))
        return folder

    return make


def test_folds_are_joined_and_seeds_are_averaged(run: Make) -> None:
    other = {"c.jpg": ("River", 0.3)}
    runs = [run("0"), run("1", other), run("2", {"a.jpg": ("Forest", 0.5), "b.jpg": ("River", 0.6)}, seed=1)]
    found = read_answers(runs)
    assert found.files == ["a.jpg", "b.jpg", "c.jpg"]
    assert found.given.tolist() == [0, 1, 1]
    assert found.mean[:, 0] == pytest.approx([0.7, 0.4, 0.3])
    assert found.agreeing(np.array([0, 0, 1])).tolist() == [2, 1, 1]


def test_the_folder_of_a_cross_validation_stands_for_its_runs(run: Make, tmp_path: Path) -> None:
    run("trial_0")
    run("trial_1", {"c.jpg": ("River", 0.3)})
    (tmp_path / "folds.csv").write_text("seed,fold,best_epoch,folder\n0,0,1,trial_0\n0,1,1,trial_1\n")
    assert len(read_answers([tmp_path]).files) == 3
    (tmp_path / "folds.csv").write_text("seed,fold,best_epoch,folder\n0,0,1,trial_7\n")
    with pytest.raises(UserError, match="trial_7, which is no run folder"):
        read_answers([tmp_path])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({}, "of one seed, have both tested 2 patches, such as a.jpg"),
        ({"seed": 1, "fingerprint": "g"}, "are of different data"),
        ({"seed": 1, "labels": "1234"}, "are of different corrected labels"),
        ({"seed": 1, "split_sha256": "t"}, "tested on another split than it was trained on"),
        ({"seed": 1, "classes": ("Forest", "Lake")}, "have different classes"),
        ({"seed": 1, "rows": {"a.jpg": ("River", 0.9)}}, "a.jpg is 'River', which no class or another run's label is"),
        ({"seed": 1, "rows": {"a.jpg": ("Forest", float("nan"))}}, "a.jpg has no probabilities"),
        ({"seed": 1, "rows": {}}, "is no table of a test's answers"),
    ],
)
def test_runs_that_do_not_belong_together_are_named(run: Make, other: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        read_answers([run("one"), run("two", **other)])
    assert said in str(error.value)
    assert "two" in str(error.value)


def test_folders_without_answers_say_what_is_missing(run: Make, tmp_path: Path) -> None:
    folder = run("one")
    with pytest.raises(UserError, match="named twice"):
        read_answers([folder, folder])
    (folder / "test.json").write_text(json.dumps({"confusion_matrix": [[[1, 2], [3, 4]]]}))
    with pytest.raises(UserError, match="one label each"):
        read_answers([folder])
    (folder / "test_predictions.csv").unlink()
    with pytest.raises(UserError, match="test it first"):
        read_answers([folder])
    with pytest.raises(UserError, match=r"neither a run folder .* nor one of search --folds"):
        read_answers([tmp_path])
