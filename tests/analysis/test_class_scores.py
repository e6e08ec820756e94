"""Scores of classes, and the table that keeps them."""

import math
from pathlib import Path

import pytest
import torch

from eurosat_cls.analysis.class_scores import (
    ClassScore,
    append_scores,
    format_score,
    plain_scores,
    read_scores,
    score_classes,
    write_scores,
)
from eurosat_cls.analysis.ranking import rank_classes
from eurosat_cls.models.tasks import task_for

SCORE = ClassScore(12, 0.5, 0.25, 1 / 3, float("nan"))


def test_scores_are_counted_and_missing_where_there_is_nothing_to_count() -> None:
    matrix = torch.tensor([[3, 1, 0, 0], [2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    rules = task_for("multiclass", list("abcd"))
    rankings = rank_classes(rules, torch.eye(4)[[0, 1, 2]], torch.tensor([0, 1, 2]))
    a, b, c, d = score_classes(matrix, rankings)
    assert list(a[:4]) == pytest.approx([4, 3 / 5, 3 / 4, 2 / 3])
    assert b[:4] == (2, 0, 0, 0)
    assert c.images == 1
    assert math.isnan(c.precision)
    assert (c.recall, c.f1) == (0, 0)
    assert d.images == 0
    assert all(math.isnan(value) for value in d[1:])


def test_a_score_that_is_not_defined_is_null_in_json_empty_in_csv_and_a_dash_for_people(tmp_path: Path) -> None:
    matrix = torch.tensor([[3, 1, 0], [0, 0, 0], [2, 0, 0]])
    plain = plain_scores(matrix, ["a", "b", "c"])
    assert plain["b"] == {"images": 0, "precision": 0.0, "recall": None, "f1": None}
    assert plain["c"] == {"images": 2, "precision": None, "recall": 0.0, "f1": 0.0}
    append_scores(tmp_path / "scores.csv", 1, dict(zip("abc", score_classes(matrix), strict=True)))
    lines = (tmp_path / "scores.csv").read_text().splitlines()
    assert lines[2:] == ["1,b,0,0.000000,,,", "1,c,2,,0.000000,0.000000,"]
    assert [format_score(value) for value in (plain["a"]["recall"], plain["b"]["recall"])] == ["0.7500", "-"]


def test_labels_are_scored_one_by_one() -> None:
    matrix = torch.tensor([[[5, 1], [2, 4]], [[9, 3], [0, 0]]])
    rankings = rank_classes(task_for("multilabel", ["a", "b"]), torch.zeros(1, 2), torch.ones(1, 2))
    a, b = score_classes(matrix, rankings)
    assert list(a[:3]) == pytest.approx([6, 4 / 5, 4 / 6])
    assert b.precision == 0
    assert math.isnan(b.recall)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run" / "scores.csv"
    append_scores(path, 1, {"a, b": SCORE, "c": SCORE._replace(images=3)})
    append_scores(path, 2, {"a, b": SCORE, "c": SCORE})
    found = read_scores(path)
    assert list(found) == [1, 2]
    assert found[1]["c"].images == 3
    assert found[2]["a, b"].f1 == pytest.approx(1 / 3, abs=1e-6)
    assert math.isnan(found[2]["a, b"].average_precision)
    write_scores(path, found)
    again = read_scores(path)
    assert again[1]["a, b"][:4] == found[1]["a, b"][:4]
    assert path.read_text().startswith("epoch,class,images,precision,recall,f1,average_precision\n1,")


def test_a_table_that_was_cut_off_loses_its_last_row_only(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    for epoch in (1, 2):
        append_scores(path, epoch, {"a": SCORE, "b": SCORE})
    whole = path.read_bytes()
    for cut in (1, 3, 20):
        path.write_bytes(whole[:-cut])
        found = read_scores(path)
        assert list(found[1]) == ["a", "b"]
        assert list(found[2]) == ["a"]
    path.write_bytes(b"\xff\x00\n\nfoo\n1,a,x,y\n")
    assert read_scores(path) == {}
    assert read_scores(tmp_path / "none.csv") == {}
