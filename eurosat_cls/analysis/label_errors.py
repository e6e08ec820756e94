"""Which labels are probably wrong, from what models say of patches that they have not seen: confident learning.

Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal of
Artificial Intelligence Research 70, 2021. Shape legend: N patches, K classes.
"""

from typing import NamedTuple

import numpy as np


class Suspects(NamedTuple):
    """Patches whose label is probably wrong, the most certain one first.

    Attributes:
        rows: int64 ``[n]``, positions among the patches.
        suggested: int64 ``[n]``, the class to take instead.
        margin: float64 ``[n]``, probability of the suggested class, less that of the given one.
    """

    rows: np.ndarray
    suggested: np.ndarray
    margin: np.ndarray


def thresholds(given: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return how confident a model has to be of each class to be believed: ``[K]``, infinite for a class nobody has.

    ``t_j`` is the mean probability of class ``j`` over the patches that are called ``j`` (equation 2 of the source).

    Args:
        given: int64 ``[N]``, the labels.
        probabilities: float ``[N, K]``, each patch's by models that were not trained on it.

    Example:
        >>> thresholds(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]))
        array([0.7, 0.8])
    """
    classes = range(probabilities.shape[1])
    return np.array([probabilities[given == k, k].mean() if (given == k).any() else np.inf for k in classes])


def confident_joint(given: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Estimate how many patches called ``i`` are of class ``j``, float64 ``[K, K]``; each row sums to those called so.

    Counted are patches of which a class reaches its threshold, each for the most probable one of these (equation 1 of
    the source); rows are then scaled to all patches (equation 3). A class without any counted counts as right.
    """
    count = probabilities.shape[1]
    reached = np.where(probabilities >= thresholds(given, probabilities), probabilities, -1.0)
    confident = reached.max(1) >= 0
    joint = np.zeros((count, count))
    np.add.at(joint, (given[confident], reached.argmax(1)[confident]), 1)
    empty = joint.sum(1) == 0
    joint[empty, empty] = 1
    scaled: np.ndarray = joint / joint.sum(1, keepdims=True) * np.bincount(given, minlength=count)[:, None]
    return scaled


def find_suspects(given: np.ndarray, probabilities: np.ndarray) -> Suspects:
    """Choose and rank the patches whose label is probably wrong.

    Of those called ``i``, as many as the confident joint has of class ``j`` are taken, by the greatest margin
    ``p_j - p_i`` ("prune by noise rate", section 3.2 of the source), as far as ``j`` is more probable than ``i``. A
    patch that is taken for several classes is suggested the most probable one.

    Args:
        given: int64 ``[N]``, the labels.
        probabilities: float ``[N, K]``, each patch's by models that were not trained on it.
    """
    joint = np.rint(confident_joint(given, probabilities)).astype(int)
    margins = probabilities - probabilities[np.arange(len(given)), given][:, None]
    chosen = np.zeros(probabilities.shape, dtype=bool)
    for i, j in np.argwhere(joint > 0):
        if i != j:
            members = np.flatnonzero(given == i)
            most = members[np.argsort(-margins[members, j], kind="stable")[: joint[i, j]]]
            chosen[most, j] = margins[most, j] > 0
    rows = np.flatnonzero(chosen.any(1))
    suggested = np.where(chosen[rows], probabilities[rows], -1.0).argmax(1)
    margin = margins[rows, suggested]
    order = np.argsort(-margin, kind="stable")
    return Suspects(rows[order], suggested[order], margin[order])
