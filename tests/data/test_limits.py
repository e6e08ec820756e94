"""A part of a validation or a test stands for the whole, and is called a part."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from eurosat_cls.data import Demo
from eurosat_cls.data.loader import EpochBatches, rows_within
from eurosat_cls.data.splits import spread

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")


@pytest.mark.parametrize("limit", [1, 3, 100, 0, 0.1, 0.5, 1.0, None])
@pytest.mark.parametrize(("rows", "processes"), [(50, 1), (41, 1), (50, 2), (53, 3)])
def test_the_rows_within_a_limit_are_those_of_the_batches_that_are_left(
    rows: int, processes: int, limit: float | None
) -> None:
    parts = [EpochBatches(np.arange(rows), 8, None, False, rank, processes) for rank in range(processes)]
    kept = [list(part) for part in parts]
    if limit is not None:  # as Lightning has it
        count = limit if isinstance(limit, int) else int(len(kept[0]) * limit)
        kept = [part[:count] for part in kept]
    seen = sorted(np.concatenate([np.empty(0, int), *(batch for part in kept for batch in part)]))
    assert rows_within(limit, rows, 8, processes) == len(seen)
    assert seen == list(range(len(seen))), "which are the first ones"


def test_classes_keep_their_shares_in_a_part() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    store: Any = SimpleNamespace(labels=labels, files=[f"{row}.tif" for row in range(100)])
    for count, shares in ((20, [12, 6, 2]), (3, [1, 1, 1]), (100, [60, 30, 10])):
        rows = spread(np.arange(100), store, count)
        assert sorted(rows) == list(range(100))
        assert np.bincount(labels[rows[:count]], minlength=3).tolist() == shares
        assert (np.diff(rows[:count]) > 0).all()
    several: Any = SimpleNamespace(labels=np.eye(2, dtype=np.uint8)[(labels > 0).astype(int)], files=store.files)
    assert several.labels[spread(np.arange(100), several, 10)[:10]].sum(0).tolist() == [6, 4]


def test_without_a_limit_nothing_is_moved() -> None:
    data = Demo(patches_per_class=10, batch_size=8)
    seen = torch.cat([batch.indices for batch in data.val_dataloader()])
    assert seen.tolist() == data.split.val.tolist()


@pytest.mark.usefixtures("trained")
def test_a_limited_test_has_all_classes_and_says_that_it_is_a_part(run: Run) -> None:
    limits = ("--data.init_args.batch_size", "10", "--trainer.limit_test_batches", "2", "--ckpt_path", "best")
    code, printed = run("test", *limits, "--pictures", "[{class_path: ConfusionMatrix}]")
    assert code == 0, printed
    assert printed.count("20 of 40 patches: ") == 2, "the table and the line below it"
    found = json.loads((RUN / "test.json").read_text())
    assert found["patches"] == {"scored": 20, "of": 40}
    assert [sum(row) for row in found["confusion_matrix"]] == [2] * 10
    assert "tested on 20 of 40 patches only" in (RUN / "report.html").read_text()
    code, printed = run("validate", *limits, "--trainer.limit_val_batches", "0.25")
    assert "10 of 40 patches: " in printed
    assert run("test", "--ckpt_path", "best")[1].count(" of 40 patches: ") == 0


def test_a_limited_validation_says_so_before_the_training_and_in_its_checkpoints(run: Run) -> None:
    code, printed = run("fit", "--trainer.max_epochs", "1", "--data.init_args.batch_size", "10",
                        "--trainer.limit_val_batches", "1")  # fmt: skip
    assert code == 0, printed
    assert "validation: 10 of 40 patches, of all classes (trainer.limit_val_batches)" in printed
    best = torch.load(RUN / "checkpoints/best.ckpt")
    assert best["run"]["validated"] == "10 of 40 patches"
    assert Counter(printed.split())["validation:"] == 1
