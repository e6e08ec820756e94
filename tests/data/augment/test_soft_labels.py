import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from eurosat_cls.data.augment import SoftLabels
from eurosat_cls.data.batch import Batch
from eurosat_cls.utils.errors import UserError

FILES = ["a.jpg", "b.jpg", "c.jpg"]


def _table(path: Path, rows: Sequence[Sequence[object]], head: Sequence[str] = ("x", "y")) -> str:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([["file", "true", *head], *rows])
    return str(path)


def _mixed(part: SoftLabels, indices: Sequence[int], train: Sequence[int], target: torch.Tensor) -> torch.Tensor:
    part.prepare(FILES, np.array(train), ["x", "y"], "multiclass")
    batch = Batch(torch.zeros(len(indices), 1, 2, 2, dtype=torch.uint8), target, torch.tensor(indices))
    return part(batch, 0, torch.Generator()).target


def test_teachers_are_averaged_by_patch_and_mixed_into_the_targets(tmp_path: Path) -> None:
    one = _table(tmp_path / "1.csv", [["c.jpg", "x", 0.8, 0.2], ["a.jpg", "y", 0.5, 0.5]])
    two = _table(tmp_path / "2.csv", [["c.jpg", "x", 0.4, 0.6], ["z.jpg", "y", 0.1, 0.9]])  # z is of other data
    target = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    mixed = _mixed(SoftLabels([one, two], weight=0.25), [2, 0], [0, 2], target)
    torch.testing.assert_close(mixed, torch.tensor([[0.75 + 0.25 * 0.6, 0.25 * 0.4], [0.125, 0.875]]))
    assert target[0, 0] == 1  # the batch that was given stays


def test_a_temperature_makes_answers_softer(tmp_path: Path) -> None:
    table = _table(tmp_path / "1.csv", [["a.jpg", "x", 0.9, 0.1]])
    mixed = _mixed(SoftLabels(table, weight=1, temperature=2), [0], [0], torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(mixed, torch.tensor([[0.75, 0.25]]))  # 3 : 1 of 9 : 1


def test_a_training_patch_without_an_answer_is_named(tmp_path: Path) -> None:
    table = _table(tmp_path / "1.csv", [["a.jpg", "x", 0.9, 0.1]])
    with pytest.raises(UserError, match=r"no answer for 1 of 2 training patches, b\.jpg first"):
        _mixed(SoftLabels(table), [0], [0, 1], torch.tensor([[1.0, 0.0]]))


@pytest.mark.parametrize("bad", ["nan", "1.2", "-0.1", "much"])
def test_what_is_no_probability_is_refused(tmp_path: Path, bad: str) -> None:
    table = _table(tmp_path / "1.csv", [["a.jpg", "x", 0.9, bad]])
    with pytest.raises(UserError, match="column 'y' holds something else than probabilities"):
        _mixed(SoftLabels(table), [0], [0], torch.tensor([[1.0, 0.0]]))


def test_a_table_of_other_classes_is_refused(tmp_path: Path) -> None:
    table = _table(tmp_path / "1.csv", [["a.jpg", "x", 0.9, 0.1]], head=("x", "Why"))
    with pytest.raises(UserError, match="no column 'y'"):
        _mixed(SoftLabels(table), [0], [0], torch.tensor([[1.0, 0.0]]))


@pytest.mark.parametrize("bad", [{"weight": 1.1}, {"temperature": 0}, {"tables": []}])
def test_impossible_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UserError, match="SoftLabels"):
        SoftLabels(**{"tables": ["t.csv"], **bad})  # type: ignore[arg-type]
