"""Planted label errors are found, and ranked first."""

import numpy as np
import pytest

from eurosat_cls.analysis.label_errors import confident_joint, find_suspects, thresholds


def answers(per_class: int, classes: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True classes, and probabilities that favour them."""
    draw = np.random.default_rng(seed)
    true = np.repeat(np.arange(classes), per_class)
    logits = draw.normal(size=(len(true), classes))
    logits[np.arange(len(true)), true] += sharpness
    odds = np.exp(logits)
    return true, odds / odds.sum(1, keepdims=True)


def test_a_class_that_is_seldom_sure_has_a_lower_threshold() -> None:
    given = np.array([0, 0, 1, 1])
    said = np.array([[0.9, 0.1, 0.0], [0.7, 0.3, 0.0], [0.4, 0.6, 0.0], [0.6, 0.4, 0.0]])
    assert thresholds(given, said).tolist() == pytest.approx([0.8, 0.5, np.inf])


def test_the_confident_joint_is_that_of_the_paper_s_equations() -> None:
    given = np.array([0, 0, 0, 1, 1])
    said = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.45, 0.55]])
    # t = (0.6, 0.675): counted are 2 in (0, 0), 1 in (0, 1), 1 in (1, 1); the last patch reaches neither.
    assert confident_joint(given, said).tolist() == [[2, 1], [0, 2]]


def test_planted_errors_are_found_first_with_their_true_class() -> None:
    true, said = answers(400, 10, 7.0)
    draw = np.random.default_rng(1)
    flips = draw.choice(len(true), 120, replace=False)
    given = true.copy()
    given[flips] = (given[flips] + draw.integers(1, 10, 120)) % 10
    found = find_suspects(given, said)
    first = found.rows[:120]
    assert np.isin(first, flips).mean() > 0.95
    assert (found.suggested[:120] == true[first]).mean() > 0.95
    assert (np.diff(found.margin) <= 0).all()
    assert len(found.rows) < 1.3 * 120, "no more are doubted than there are errors, by and large"


def test_labels_that_models_agree_with_are_not_doubted() -> None:
    true, said = answers(50, 4, 30.0)
    assert find_suspects(true, said).rows.tolist() == []
    assert find_suspects(true, np.full((200, 4), 0.25)).rows.tolist() == [], "nor where models know nothing"


def test_a_class_that_nobody_has_disturbs_nothing() -> None:
    true, said = answers(50, 4, 6.0)
    said = np.column_stack([said * 0.99, np.full(200, 0.01)])
    given = true.copy()
    given[0] = 3
    assert find_suspects(given, said).rows.tolist()[:1] == [0]
