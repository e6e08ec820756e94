"""Where a curve of losses falls fastest, and how far it bears more."""

import numpy as np
import pytest

from eurosat_cls import UserError
from eurosat_cls.callbacks.finders.learning_rate_range import RangeTest, _diverged, analyse, check_range
from eurosat_cls.callbacks.finders.plots import draw_range_test

RATES = np.geomspace(1e-6, 1, 200)


def curve(noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Falls from 2.5 to 1.5, fastest at 0.003, and climbs again, through the 2.0 of that point near 0.02."""
    x = np.log10(RATES)
    fall = 1 / (1 + np.exp(-(x - np.log10(0.003)) * 5))
    climb = 0.5 * np.exp((x - np.log10(0.02)) * 6)
    losses: np.ndarray = 2.5 - fall + climb + noise * np.random.default_rng(seed).standard_normal(len(x))
    return losses


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_steepest_and_highest_are_where_the_curve_has_them(noise: float, seed: int) -> None:
    found = analyse(RATES, curve(noise, seed), False)
    assert found.steepest == pytest.approx(0.003, rel=0.15 if not noise else 0.7)
    assert found.highest == pytest.approx(0.02, rel=0.3)
    assert found.steepest < found.lowest < found.highest  # type: ignore[operator]


def test_slope_and_level_of_a_straight_line_are_exact_up_to_its_ends() -> None:
    found = analyse(RATES, 3 - 0.2 * np.log10(RATES), False)
    np.testing.assert_allclose(found.slopes, -0.2, atol=1e-9)
    np.testing.assert_allclose(found.smoothed, 3 - 0.2 * np.log10(RATES), atol=1e-9)


def test_a_loss_that_never_climbs_bears_ten_times_the_steepest_and_no_more_than_was_tested() -> None:
    x = np.log10(RATES)
    early, late = (analyse(RATES, 2.5 - 1 / (1 + np.exp(-5 * (x - at))), False) for at in (-3.0, -0.5))
    assert early.highest == pytest.approx(10 * early.steepest)  # type: ignore[operator]
    assert late.highest == 1.0


@pytest.mark.parametrize("losses", [np.full(200, 2.3), np.linspace(2, 3, 200), None])
def test_a_loss_that_does_not_fall_gives_no_suggestion(losses: np.ndarray | None) -> None:
    noisy = 2.3 + 0.1 * np.random.default_rng(3).standard_normal(200)
    found = analyse(RATES, noisy if losses is None else losses, False)
    assert found.steepest is found.highest is None


def test_one_bad_batch_is_no_divergence_but_a_lasting_rise_is() -> None:
    losses = [2.0] * 20
    assert not _diverged([*losses, 50.0])
    assert not _diverged([*losses, 50.0, 2.0, 50.0])
    assert _diverged([*losses, 9.0, 9.0, 9.0])
    assert _diverged([*losses, float("nan")])
    assert _diverged([float("inf")])


@pytest.mark.parametrize("given", [(0, 1, 100), (1e-3, 1e-3, 100), (1e-3, float("inf"), 100), (1e-3, 1, 3)])
def test_ranges_that_tell_nothing_are_refused(given: tuple[float, float, int]) -> None:
    with pytest.raises(UserError):
        check_range(*given)


def draw(found: RangeTest, suggestion: float | None) -> tuple[list[str], tuple[float, float]]:
    metric = draw_range_test(found, suggestion)
    (axes,) = metric.axes
    return [text.get_text() for text in axes.get_legend().get_texts()], axes.get_ylim()  # type: ignore[union-attr]


def test_the_picture_marks_the_suggestion_and_is_not_flattened_by_divergence() -> None:
    found = analyse(RATES, np.append(curve()[:-1], 900.0), True)
    labels, (low, high) = draw(found, found.highest)
    assert sum("suggested" in label for label in labels) == 1
    assert any(label.startswith(f"steepest descent, at {found.steepest:g}") for label in labels)
    assert low < 1.6 < 2.5 < high < 10
    labels, _ = draw(analyse(RATES, np.full(200, 2.3), False), None)
    assert not any("steepest" in label for label in labels)
