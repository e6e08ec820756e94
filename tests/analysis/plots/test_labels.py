"""Labels as a person would write them."""

import numpy as np
import pytest

from eurosat_cls.analysis.plots.labels import label_text

NAMES = ["Forest", "Pasture", "River"]


@pytest.mark.parametrize(
    ("target", "multilabel", "text"),
    [
        (np.array(2), False, "River"),
        (np.array([0, 0, 1.0]), False, "River"),
        (np.array([0.4, 0, 0.6]), False, "60% River + 40% Forest"),
        (np.array([0.999, 0.001, 0]), False, "Forest"),
        (np.array([1.0, 0, 1]), True, "Forest, River"),
        (np.array([1, 0, 1], np.uint8), True, "Forest, River"),
        (np.array([1.0, 0, 0.25]), True, "Forest, 25% River"),
        (np.array([0.0, 0, 0]), True, "no label"),
    ],
)
def test_labels_of_three_classes(target: np.ndarray, multilabel: bool, text: str) -> None:
    assert label_text(target, NAMES, multilabel) == text


def test_a_share_of_the_positive_class() -> None:
    assert label_text(np.array(0.7, np.float32), ["no", "yes"]) == "70% yes + 30% no"
    assert label_text(np.array(1.0, np.float32), ["no", "yes"]) == "yes"
    assert label_text(np.array(0, np.int64), ["no", "yes"]) == "no"
