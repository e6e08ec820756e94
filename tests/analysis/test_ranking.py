"""Rankings: against torchmetrics and by hand, with ties, and without one of the kinds."""

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from eurosat_cls.analysis.ranking import rank, rank_classes
from eurosat_cls.models.tasks import task_for


@pytest.mark.parametrize("decimals", [1, 8])
def test_average_precision_and_area_are_the_usual_ones(decimals: int) -> None:
    random = np.random.default_rng(0)
    scores = np.round(random.uniform(size=500), decimals)  # with one decimal there are many ties
    truth = random.uniform(size=500) < scores
    found = rank(scores, truth)
    given = torch.from_numpy(scores), torch.from_numpy(truth).long()
    assert found.average_precision == pytest.approx(float(binary_average_precision(*given)), abs=1e-6)
    assert found.area == pytest.approx(float(binary_auroc(*given)), abs=1e-6)
    assert (found.positives, found.negatives) == (truth.sum(), (~truth).sum())


def test_a_class_without_patches_and_one_without_others_have_no_metrics() -> None:
    none, all_ = (rank(np.arange(4.0), np.full(4, value)) for value in (False, True))
    assert math.isnan(none.average_precision)
    assert math.isnan(none.area)
    assert all_.average_precision == 1
    assert math.isnan(all_.area)
    nothing = rank(np.empty(0), np.empty(0, bool))
    assert (nothing.positives, nothing.negatives) == (0, 0)
    assert math.isnan(nothing.average_precision)


def test_classes_of_each_task_are_ranked_and_patches_with_nan_left_out() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [torch.nan, 0.0], [3.0, 0.0]])
    several = rank_classes(task_for("multiclass", ["a", "b"]), logits, torch.tensor([0, 1, 1, 0]))
    assert [ranking.positives for ranking in several] == [2, 1]
    assert [ranking.average_precision for ranking in several] == [1, 1]
    sets = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    labels = rank_classes(task_for("multilabel", ["a", "b"]), logits, sets)
    assert [ranking.positives for ranking in labels] == [2, 1]
    assert labels[0].average_precision == pytest.approx((1 / 2 + 2 / 3) / 2)
    binary = rank_classes(task_for("binary", ["no", "yes"]), logits[:, :1], torch.tensor([1, 0, 0, 1]))
    assert [ranking.area for ranking in binary] == [1, 1]


def test_confident_predictions_are_no_ties() -> None:
    logits = torch.tensor([[30.0, 0.0], [31.0, 0.0], [32.0, 0.0]])
    (first, _) = rank_classes(task_for("multiclass", ["a", "b"]), logits, torch.tensor([1, 0, 0]))
    assert first.average_precision == 1
