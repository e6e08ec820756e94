"""Pictures of a search take any number and kind of trials, and no text leaves them."""

from typing import Any

import pytest

from eurosat_cls.search.plots import _column, draw_history, draw_importance, draw_parallel
from eurosat_cls.search.rows import Row
from eurosat_cls.search.sweep import spread_of
from tests.analysis.plots.test_charts import assert_whole


def row(number: int, value: float | None, state: str = "complete", **params: Any) -> Row:
    return Row(number, state, value, params, {})


def many() -> list[Row]:
    states = ["complete", "pruned", "complete", "complete"]
    return [
        row(n, 0.5 + 0.01 * n, states[n % 4], learning_rate=10.0 ** (-n % 5), width=[16, 32][n % 2],
            optimizer=["SGD", "AdamW"][n % 2], **({"optimizer[SGD].momentum": n / 40} if n % 2 == 0 else {}),
            a_very_long_name_of_a_parameter_that_nobody_types=n % 3 == 0)
        for n in range(40)
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("rows", [many(), [row(0, 0.5, x=1), row(1, 0.5, x=2)], [row(7, 0.1, "pruned", x=1.5)]])
@pytest.mark.parametrize("mode", ["max", "min"])
def test_history_and_parallel_coordinates_of_any_trials(rows: list[Row], mode: str) -> None:
    assert_whole(draw_history(rows, "val/accuracy", mode, "study"))
    assert_whole(draw_parallel(rows, "val/accuracy", mode, "study"))


def test_the_best_line_is_the_strong_one() -> None:
    rows = [row(0, 0.2, x=1.0), row(1, 0.9, x=2.0), row(2, 0.5, x=3.0)]
    for mode, best in (("max", 1), ("min", 0)):
        lines = draw_parallel(rows, "val/loss", mode, "study").axes[0].lines
        (strong,) = (line for line in lines if line.get_linewidth() == 3)
        assert strong.get_ydata()[0] == pytest.approx(best / 2)


def test_importance_is_drawn_by_size_with_its_numbers() -> None:
    figure = draw_importance({"b": 0.25, "a" * 60: 0.75}, "note")
    assert_whole(figure)
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.25", "0.75"]


def test_whole_numbers_are_written_as_such() -> None:
    for numbers in ([32, 64, 128, 256], [1, 2, 3, 4, 5, 7, 9, 12, 160, 1024]):
        _, ticks = _column(numbers)
        assert all(text.isdigit() for _, text in ticks), ticks
    assert [text for _, text in _column([32, 64, 128, 256])[1]] == ["32", "64", "128", "256"]
    assert not all(text.isdigit() for _, text in _column([0.5, 1.25, 2.0])[1])


@pytest.mark.parametrize(
    ("seeds", "known"), [([0.5], (False, False)), ([0.5, 0.6], (True, False)), ([0.5, 0.6, 0.7], (True, True))]
)
def test_an_interval_needs_three_seeds(seeds: list[float], known: tuple[bool, bool]) -> None:
    spread = spread_of(seeds)
    assert (spread.std is not None, spread.low is not None) == known
