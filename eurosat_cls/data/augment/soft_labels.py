"""Targets that other networks take part in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from eurosat_cls.data.augment.base import Augmentation
from eurosat_cls.data.batch import Batch, TaskName
from eurosat_cls.data.table_file import read_table
from eurosat_cls.utils.errors import UserError

S = TypeVar("S", bound="SoftLabels")


class SoftLabels(Augmentation):
    r"""Mix the answers of teachers into the targets, so that the training distils them.

    .. math:: q = (1 - w)\, y + w\, \frac{p^{1/T}}{\sum_c p_c^{1/T}}

    where :math:`y` is the target and :math:`p` what the teachers say of the patch. Teachers that have seen a patch are
    too sure of it: let each answer for the fold of the training patches that it was not trained on.

    Args:
        tables: CSV files with columns ``file`` and one of probabilities for each class, as ``test_predictions.csv``
            is; several are averaged patch by patch.
        weight: the teachers' share, in [0, 1].
        temperature: above 1 makes the answers softer.
        shared: see :class:`~eurosat_cls.data.augment.Augmentation`.

    Raises:
        UserError: for tables that cannot be read, hold no probabilities, or leave a training patch out.

    Source: Hinton et al., "Distilling the Knowledge in a Neural Network", 2015; answers out of fold: Wolpert, "Stacked
    Generalization", 1992.
    """

    in_place, needs_shares = False, True
    _answers: Tensor | None = None  # by position in the store, NaN where there is none

    def __init__(self, tables: list[str] | str, weight: float = 0.5, temperature: float = 1.0, **shared: Any) -> None:
        super().__init__(**shared)
        self.require(0 <= weight <= 1, f"weight must be between 0 and 1, got {weight}")
        self.require(temperature > 0, f"temperature must be above 0, got {temperature}")
        self.tables = [tables] if isinstance(tables, str) else tables
        self.require(bool(self.tables), "tables is empty")
        self.weight, self.temperature = weight, temperature

    def prepare(self, files: Sequence[str], train: np.ndarray, class_names: Sequence[str], task: TaskName) -> None:
        """Read the tables."""
        row_of = {file: row for row, file in enumerate(files)}
        total, count = np.zeros((len(files), len(class_names))), np.zeros(len(files))
        for name in self.tables:
            table = read_table(Path(name), ["file", *class_names])
            rows = np.array([row_of.get(file, -1) for file in table.texts("file")])
            values = np.stack([self._numbers(table.texts(column), name, column) for column in class_names], 1)
            np.add.at(total, rows[rows >= 0], values[rows >= 0])
            np.add.at(count, rows[rows >= 0], 1)
        if len(missing := train[count[train] == 0]):
            raise UserError(
                f"SoftLabels: {', '.join(self.tables)}: no answer for {len(missing):,} of {len(train):,} training "
                f"patches, {files[missing[0]]} first; let the teachers answer for all of them."
            )
        with np.errstate(invalid="ignore"):
            answers = (total / count[:, None]) ** (1 / self.temperature)
        if task != "multilabel":
            answers /= answers.sum(1, keepdims=True)
        else:
            others = (1 - total / np.maximum(count, 1)[:, None]) ** (1 / self.temperature)
            answers /= answers + others
        self._answers = torch.from_numpy(answers[:, 1] if task == "binary" else answers).float()

    def _numbers(self, texts: Sequence[str], table: str, column: str) -> np.ndarray:
        try:
            numbers = np.array([float(text) for text in texts])
        except ValueError:
            numbers = np.array([np.nan])
        if not ((numbers >= 0) & (numbers <= 1)).all():
            raise UserError(f"SoftLabels: {table}: column {column!r} holds something else than probabilities.")
        return numbers

    @classmethod
    def apply_all(cls: type[S], parts: Sequence[S], batch: Batch, epoch: int, generator: torch.Generator) -> Batch:
        """Return the batch with mixed targets; nothing is drawn."""
        for part in parts:
            assert part._answers is not None, "prepare() comes first"
            part._answers = part._answers.to(batch.target.device)
            batch = batch._replace(target=torch.lerp(batch.target, part._answers[batch.indices], part.weight))
        return batch
