"""Batches of one process and of several: disjoint, complete, and from where a training went on."""

import numpy as np
import pytest

from eurosat_cls.data.loader import EpochBatches
from eurosat_cls.utils.errors import UserError


def shares(
    rows: int, batch_size: int, processes: int, seed: int | None = None, epoch: int = 0
) -> list[list[np.ndarray]]:
    """The batches of each process; shuffled and without a rest where a seed is given, as in training."""
    batches = [
        EpochBatches(np.arange(rows), batch_size, seed, seed is not None, rank, processes) for rank in range(processes)
    ]
    for part in batches:
        part.set_epoch(epoch)
        assert len(list(part)) == len(part)
    return [list(part) for part in batches]


@pytest.mark.parametrize(("rows", "batch_size", "processes"), [(126, 20, 2), (131, 8, 3), (64, 16, 4), (40, 40, 1)])
def test_processes_train_on_whole_batches_and_no_patch_twice(rows: int, batch_size: int, processes: int) -> None:
    parts = shares(rows, batch_size, processes, seed=3)
    assert {len(part) for part in parts} == {rows // (batch_size * processes)}
    seen = np.concatenate([batch for part in parts for batch in part])
    assert {len(batch) for part in parts for batch in part} == {batch_size}
    assert len(np.unique(seen)) == len(seen)


def test_a_step_of_several_processes_is_a_batch_of_one() -> None:
    for epoch in (0, 1):
        (whole,) = shares(130, 40, 1, seed=3, epoch=epoch)
        together = [np.concatenate(step) for step in zip(*shares(130, 10, 4, seed=3, epoch=epoch))]
        assert np.array_equal(whole, together)


@pytest.mark.parametrize(
    ("rows", "batch_size", "processes"), [(50, 20, 2), (5400, 128, 3), (41, 40, 2), (7, 2, 3), (9, 4, 1)]
)
def test_processes_evaluate_every_patch_once_in_equally_many_batches(
    rows: int, batch_size: int, processes: int
) -> None:
    parts = shares(rows, batch_size, processes)
    assert len({len(part) for part in parts}) == 1
    assert max(len(batch) for part in parts for batch in part) <= batch_size
    assert min(len(batch) for part in parts for batch in part) > 0
    in_order = [batch for step in zip(*parts) for batch in step]
    assert np.array_equal(np.concatenate(in_order), np.arange(rows))


def test_too_few_patches_for_the_processes_are_refused() -> None:
    with pytest.raises(UserError, match="2 patches cannot be dealt out to 3 processes"):
        EpochBatches(np.arange(2), 8, None, False, 0, 3)


def test_skipped_batches_are_left_out_once() -> None:
    (whole,) = shares(100, 10, 1, seed=3)
    batches = EpochBatches(np.arange(100), 10, 3, True)
    batches.skip(4)
    assert len(batches) == 10
    assert np.array_equal(list(batches), whole[4:])
    assert batches.position == 10
    assert np.array_equal(list(batches), whole)
    batches.skip(10)  # of an epoch that had ended
    assert np.array_equal(list(batches), whole)
