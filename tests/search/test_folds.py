"""A cross-validation: its plan, and what becomes of the tests of its folds."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from eurosat_cls.cli.configuration import merged
from eurosat_cls.cli.out_of_fold import run as score_merged
from eurosat_cls.data import Demo
from eurosat_cls.data.splits import FoldSplit
from eurosat_cls.search.configuration import check_space, read_base
from eurosat_cls.search.folds import read_folds, replaced_split, write_folds
from eurosat_cls.search.rows import Row
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import csv_text
from tests.conftest import exit_code

PICTURES = "[{class_path: ConfusionMatrix}, {class_path: GradCAM}]"


def config_of(split: Any = "random", seed: Any = 7) -> dict[str, Any]:
    return {"seed_everything": seed, "data": {"class_path": "Demo", "init_args": {"split": split}}}


def test_each_fold_of_each_seed_is_a_training() -> None:
    space, points = read_folds(3, "0,2", config_of())
    assert [(point["seed_everything"], point["fold"]) for point in points] == [
        (0, 0), (0, 1), (0, 2), (2, 0), (2, 1), (2, 2)
    ]  # fmt: skip
    overlay = space.overlay(points[4])
    assert overlay["data"]["init_args"]["split"]["init_args"] == {"folds": 3, "fold": 1}
    assert [point["seed_everything"] for point in read_folds(2, None, config_of())[1]] == [7, 7]
    assert [point["seed_everything"] for point in read_folds(2, None, config_of(seed=True))[1]] == [0, 0]


def test_settings_of_a_configured_fold_split_stay() -> None:
    assert replaced_split(config_of()) is None
    assert replaced_split(config_of({"class_path": "eurosat_cls.data.splits.FoldSplit"})) is None
    assert replaced_split(config_of("official")) == "official"


@pytest.mark.slow
def test_the_whole_configuration_has_the_fold(quick: list[str]) -> None:
    given = [*quick, "--data.init_args.split", "FoldSplit", "--data.init_args.split.seed", "5"]
    base = read_base(given, None, None, merged)
    space, points = read_folds(2, None, base.config)
    check_space(base, space)
    split = base.merge(base.arguments, base.overlay(space, points[1]))["data"]["init_args"]["split"]["init_args"]
    assert (split["folds"], split["fold"], split["seed"]) == (2, 1, 5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--folds", "1"], "--folds 1: at least two"),
        (["--folds", "2", "--space", "a.yaml"], "--folds goes alone, or with --seeds"),
        (["--folds", "2", "--trials", "3"], "--trials: with --folds"),
        (["--folds", "2", "--pruner", "median"], "--pruner: with --folds"),
        ([], "search needs one of --space, --overlays, --seeds and --folds"),
    ],
)
def test_mistakes_are_named_before_anything_runs(
    arguments: list[str], said: str, quick: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["search", *quick, *arguments]) == 2
    assert said in capsys.readouterr().err
    with pytest.raises(UserError, match="no setting split"):
        read_folds(2, None, {"data": {"class_path": "mine.Data", "init_args": {}}})


@pytest.mark.slow
@pytest.mark.parametrize("folds", ["21", "1000000"])
def test_more_folds_than_patches_are_refused_before_the_first_trial(
    folds: str, quick: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["search", *quick, "--folds", folds]) == 2
    said = capsys.readouterr().err
    assert f"error: split: folds is {folds}, but the smallest class, DemoAnnualCrop, has 20 patches" in said
    assert not Path("lightning_logs").exists()


@pytest.mark.slow
def test_a_training_that_cannot_be_is_refused_for_all_seeds(
    quick: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["search", *quick, "--seeds", "0-4", "--data.init_args.batch_size", "1000"]) == 2
    assert "There are 120 training patches, fewer than one batch" in capsys.readouterr().err
    assert not Path("lightning_logs").exists()


@pytest.fixture
def search(tmp_path: Path, quick: list[str]) -> Path:
    """The folder of a search whose two folds, of two seeds each, have been tested; the first patch is an error."""
    folder, rows = tmp_path / "search", []
    draw = np.random.default_rng(0)
    for number, (seed, fold) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        trial = folder / f"trial_{number}"
        trial.mkdir(parents=True)
        split = {"class_path": "eurosat_cls.data.splits.FoldSplit", "init_args": {"folds": 2, "fold": fold}}
        overlay = {"seed_everything": seed, "data": {"init_args": {"split": split}}}
        config = merged([*quick, "--pictures", PICTURES], overlay)
        (trial / "config.yaml").write_text(yaml.safe_dump(config))
        data = Demo(patches_per_class=20, split=FoldSplit(2, fold))
        table = [["file", "true", "predicted", "confidence", *data.class_names]]
        for row in data.split.test.tolist():
            label = int(data.store.labels[row])
            said = draw.dirichlet(np.ones(10)) * (0.4 if row else 0.1)
            said[label if row else 9 - label] += 1 - said.sum()
            table.append([data.store.files[row], data.class_names[label], "?", "?", *map(str, said), "0.5"])
        (trial / "test_predictions.csv").write_text(csv_text(table))
        state = {"split": data.state_dict(), "per_class": {name: {} for name in data.class_names}}
        (trial / "test.json").write_text(json.dumps(state))
        attrs = {"folder": str(trial), "epoch": 2, "metrics": {"test/accuracy": 0.9 + 0.01 * number}}
        rows.append(Row(number, "complete", 0.5, {"seed_everything": seed, "fold": fold}, attrs))
    write_folds(rows, folder, "a test")
    return folder


@pytest.mark.slow
def test_what_all_folds_say_is_scored_and_drawn_as_a_test(search: Path, quick: list[str]) -> None:
    metric = json.loads((search / "folds.json").read_text())["metrics"]["test/accuracy"]
    assert metric["values"] == pytest.approx([0.91, 0.92]), "of each fold the mean over its seeds"
    with open(search / "out_of_fold.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len({row["file"] for row in rows}) == 200
    place = search / "out_of_fold"
    score_merged([str(search / "out_of_fold.csv"), str(place), *quick, "--config", str(place / "config.yaml")])
    tested = json.loads((place / "test.json").read_text())
    assert tested["patches"] == {"scored": 200, "of": 200}
    assert tested["test/accuracy"] == pytest.approx(199 / 200)
    assert tested["split"]["split_method"] == "out of fold"
    assert (place / "confusion_matrix_test.png").is_file()
    assert not (place / "gradcam.png").exists(), "no network has seen none of the patches"
    assert "0.9950" in (place / "report.html").read_text()
    answers = {row["file"]: row for row in rows}
    with open(place / "test_predictions.csv", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            assert float(row["DemoRiver"]) == pytest.approx(float(answers[row["file"]]["DemoRiver"]), abs=2e-6)


@pytest.mark.slow
def test_an_audit_suggests_what_the_folds_say_and_knows_its_data(
    search: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert exit_code(["audit", str(search)]) == 0, capsys.readouterr().err
    assert "200 patches have answers" in capsys.readouterr().out
    with open(tmp_path / "audit" / "suggestions.csv", encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert [(row["file"], row["given"], row["suggested"]) for row in found] == [
        ("DemoAnnualCrop/DemoAnnualCrop_1.png", "DemoAnnualCrop", "DemoSeaLake")
    ]
    assert found[0]["agreeing"] == "2"
    assert found[0]["verdict"] == ""
    assert float(found[0]["margin"]) > 0.4
    assert "DemoAnnualCrop_1.png" in (tmp_path / "audit" / "gallery.html").read_text()
    assert exit_code(["audit", str(search), "--data.init_args.data_seed", "1"]) == 2
    assert "demo data or its labels are not what the runs were tested on" in capsys.readouterr().err
