"""Growing batches: where they end, what is recommended, and that memory is measured."""

import mmap
from pathlib import Path
from typing import Any

import pytest
import torch

from eurosat_cls import UserError
from eurosat_cls.callbacks.finders import batch_sizes, memory
from eurosat_cls.callbacks.finders.batch_sizes import BatchSizes, Trial, check_batch_sizes, measure_batch_sizes
from eurosat_cls.callbacks.finders.plots import draw_batch_sizes
from tests.callbacks.finders.test_undoable_steps import assert_same, fit, state

RATES = [Trial(8, 100.0, 2**30), Trial(16, 180.0, 2**30), Trial(32, 191.0, 2**31), Trial(64, 200.0, 2**32)]


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_sizes, "SECONDS", 0.0)


def measured(smallest: int = 8, largest: int = 4096, most: int | None = None) -> tuple[list[int], str]:
    """Sizes that were tried with success, and why they ended; a batch above ``most`` is out of memory."""
    results: list[Any] = []

    def work(trainer: Any, module: Any) -> None:
        step = module.training_step

        def limited(batch: Any, number: int) -> Any:
            loss = step(batch, number)
            if most is not None and len(batch.target) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return loss

        module.training_step = limited
        before = state(trainer, module)
        try:
            results.extend(measure_batch_sizes(trainer, module, trainer.datamodule, smallest, largest))
        finally:
            module.training_step = step
            assert_same(before, state(trainer, module))
            assert trainer.datamodule.batch_size == 20

    fit(work)
    *trials, ended = results
    assert all(trial.images_per_second > 0 and trial.memory > 2**20 for trial in trials)
    return [trial.batch_size for trial in trials], ended


@pytest.mark.slow
def test_sizes_are_doubled_up_to_the_largest() -> None:
    assert measured(4, 16) == ([4, 8, 16], "no larger ones asked for")


@pytest.mark.slow
def test_there_are_no_larger_batches_than_patches() -> None:
    assert measured(15) == ([15, 30, 60], "there are 60 training patches")


@pytest.mark.slow
def test_running_out_of_memory_ends_the_search_and_leaves_no_trace() -> None:
    assert measured(4, most=20) == ([4, 8, 16], "a batch of 32 runs out of memory")


@pytest.mark.slow
def test_not_even_the_smallest_is_an_error() -> None:
    with pytest.raises(UserError, match="A batch of 8 runs out of memory already"):
        measured(most=4)
    with pytest.raises(UserError, match="60 training patches, fewer than a batch of 64"):
        measured(64)


@pytest.mark.slow
def test_on_a_cpu_it_ends_before_memory_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_sizes, "available_memory", lambda: 0)
    grown = iter(range(10**9, 10**12, 10**9))
    monkeypatch.setattr(batch_sizes.PeakMemory, "bytes", lambda self: next(grown))
    sizes, ended = measured(4)
    assert sizes == [4]
    assert ended == "a batch of 8 would take about 1.9 GiB, 0.0 GiB are there for it"


def test_other_errors_of_a_step_are_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> float:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(batch_sizes, "_seconds", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        measured(4)


def test_the_smallest_batch_within_five_percent_is_recommended() -> None:
    assert BatchSizes(RATES, "").recommended == 32
    assert BatchSizes(RATES, "").largest == 64
    assert BatchSizes(RATES[:1], "").recommended == 8


@pytest.mark.parametrize("given", [(0, 8), (16, 8)])
def test_sizes_that_cannot_be_tried_are_refused(given: tuple[int, int]) -> None:
    with pytest.raises(UserError, match="smallest <= largest"):
        check_batch_sizes(*given)


def test_the_peak_of_memory_is_that_of_the_work() -> None:
    before = memory.PeakMemory(torch.device("cpu"))
    start = before.bytes()
    block = mmap.mmap(-1, 200_000_000)  # new pages, not those that were freed before
    for _ in range(200):
        block.write(bytes(1_000_000))
    assert 150e6 < before.bytes() - start < 400e6
    block.close()
    assert before.bytes() - start > 150e6


def test_a_limit_of_a_control_group_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = memory.available_memory()
    assert 2**28 < free < 2**45
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    for place, limit in ((inner, "max"), (inner.parent, str(10 * 2**20))):
        (place / "memory.max").write_text(limit)
        (place / "memory.current").write_text(str(9 * 2**20))
        (place / "memory.stat").write_text(f"anon 5\ninactive_file {3 * 2**20}\n")
    monkeypatch.setattr(memory, "_own_cgroup", lambda: inner)
    assert memory.available_memory() == 4 * 2**20


@pytest.mark.parametrize(("present", "marked"), [(16, True), (500, False)])
def test_the_picture_names_the_recommendation(present: int, marked: bool) -> None:
    metric = draw_batch_sizes(BatchSizes(RATES, "no larger ones asked for"), present, "cpu")
    labels = [text.get_text() for text in metric.axes[0].get_legend().get_texts()]  # type: ignore[union-attr]
    assert labels[0] == "recommended: 32, 191 images/s"
    assert (f"configured: {present}" in labels) == marked
