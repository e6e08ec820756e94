"""Precision, recall, F1 and average precision of each class, epoch by epoch, as a table in a file."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from eurosat_cls.analysis.ranking import Ranking
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import csv_text, growing, write_text
from eurosat_cls.utils.limits import RESULTS, bounded, read_bytes

SCORES = ("precision", "recall", "f1", "average_precision")


class ClassScore(NamedTuple):
    """Scores of one class.

    Attributes:
        images: patches of the class.
        precision: share of what was taken for the class that is of it; NaN where nothing was.
        recall: share of the class that was found; NaN without a patch of it.
        f1: harmonic mean of both; 0 where only one of them is there, NaN without a patch of the class.
        average_precision: NaN without a patch of the class.
    """

    images: int
    precision: float
    recall: float
    f1: float
    average_precision: float


Epochs = Mapping[int, Mapping[str, ClassScore]]  # by epoch, from 1, and by class


def counts_by_class(matrix: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how many patches of each class were found, are there, and were predicted; int64 ``[K]`` each.

    Args:
        matrix: counts ``[K, K]`` with true classes in rows and predicted ones in columns; or ``[K, 2, 2]`` likewise of
            each label's absence and presence.
    """
    counts = matrix.cpu().numpy()
    if counts.ndim == 3:
        return counts[:, 1, 1], counts[:, 1].sum(1), counts[:, :, 1].sum(1)
    return counts.diagonal(), counts.sum(1), counts.sum(0)


def score_classes(matrix: Tensor, rankings: Sequence[Ranking] | None = None) -> list[ClassScore]:
    """Return the scores of each class; those that are not defined are NaN.

    Args:
        matrix: as for :func:`counts_by_class`.
        rankings: ``[K]``; without them average precision is NaN.
    """
    found, true, predicted = counts_by_class(matrix)
    nothing = np.full(len(found), np.nan)
    ranked = nothing.tolist() if rankings is None else [ranking.average_precision for ranking in rankings]
    precision = np.divide(found, predicted, out=nothing.copy(), where=predicted > 0)
    recall = np.divide(found, true, out=nothing.copy(), where=true > 0)
    f1 = np.divide(2 * found, true + predicted, out=nothing.copy(), where=true > 0)
    return [
        ClassScore(int(true[k]), float(precision[k]), float(recall[k]), float(f1[k]), ranked[k])
        for k in range(len(found))
    ]


def plain_scores(matrix: Tensor, class_names: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Return images, precision, recall and F1 by class as JSON holds them: None where a score is not defined.

    Args:
        matrix: as for :func:`counts_by_class`.
        class_names: ``[K]``.

    Example:
        >>> plain_scores(Tensor([[3, 1], [0, 0]]), ["Forest", "River"])["River"]
        {'images': 0, 'precision': 0.0, 'recall': None, 'f1': None}
    """
    return {
        name: {key: None if np.isnan(value := getattr(score, key)) else value for key in ("images", *SCORES[:3])}
        for name, score in zip(class_names, score_classes(matrix), strict=True)
    }


def format_score(score: float | None) -> str:
    """Return a score with four decimals, a dash for one that is not defined."""
    return "-" if score is None else f"{score:.4f}"


def read_scores(path: Path) -> dict[int, dict[str, ClassScore]]:
    """Return the whole rows of ``class_scores.csv``; none where there is no such file.

    A row that is not whole, as a process that was killed may leave one, is left out. Of an epoch that is there twice
    the later rows count.
    """
    found: dict[int, dict[str, ClassScore]] = {}
    try:
        text = read_bytes(path, RESULTS).decode("utf-8", "replace")
        # A last line without its end may have lost digits.
        rows = list(bounded(csv.reader(line for line in text.splitlines(keepends=True) if line.endswith("\n")), path))
    except UserError:
        return {}
    for row in rows[1:]:
        try:
            epoch, name, images, *scores = row
            values = [float(score) if score else float("nan") for score in scores]
            found.setdefault(int(epoch), {})[name] = ClassScore(int(images), *values)
        except (ValueError, TypeError):
            continue
    return found


def write_scores(path: Path, epochs: Epochs) -> None:
    """Write the table anew.

    Raises:
        OSError: when it cannot be written.
    """
    write_text(path, csv_text([["epoch", "class", *ClassScore._fields]]) + "".join(map(_rows, epochs, epochs.values())))


def append_scores(path: Path, epoch: int, scores: Mapping[str, ClassScore]) -> None:
    """Add the rows of an epoch at the end, so that a long training does not write its whole table in every epoch.

    Raises:
        OSError: when they cannot be written.
    """
    if not path.is_file():
        write_scores(path, {epoch: scores})
        return
    with growing(path) as stream:
        stream.write(_rows(epoch, scores).encode("utf-8", "backslashreplace"))


def _rows(epoch: int, scores: Mapping[str, ClassScore]) -> str:
    return csv_text(
        [epoch, name, score.images, *("" if np.isnan(value) else f"{value:.6f}" for value in score[1:])]
        for name, score in scores.items()
    )
