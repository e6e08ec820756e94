"""Labelled patches in memory, to evaluate a model on."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from eurosat_cls.data.batch import TaskName
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.data.splits.base import Split, make_split
from eurosat_cls.data.store.store import Store
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import did_you_mean, nearest


class Arrays(PatchDataModule):
    """Patches in memory, all of them test patches.

    Args:
        images: ``[N, C, H, W]``.
        labels: ``[N]`` names or positions of classes; where a patch may have several, ``[N]`` collections of names, or
            ``[N, K]`` of 0 and 1.
        class_names: the ``K`` classes.
        bands: names of the ``C`` channels.
        task: what a label means.

    Raises:
        UserError: for another number of labels than patches, and for labels of other classes.
    """

    def __init__(
        self, images: np.ndarray, labels: Sequence[Any], class_names: list[str], bands: list[str], task: TaskName
    ) -> None:
        super().__init__(batch_size=256)
        self.task = task
        if len(labels) != len(images):
            raise UserError(f"labels: there are {len(labels)} for {len(images)} patches.")
        self._images, self._names, self._bands = images, class_names, bands
        each = _several if task == "multilabel" else _position
        self._labels = np.array([each(label, class_names, f"labels[{n}]") for n, label in enumerate(labels)])

    def open_store(self) -> Store:
        """Return the patches as a store."""
        count = len(self._images)
        files = [str(number) for number in range(count)]
        return Store(Path("array"), self._images, self._labels, files, self._names, self._bands, "array", "", {},
                     [None] * count)  # fmt: skip

    @cached_property
    def split(self) -> Split:
        """All patches are test patches, of whatever classes."""
        return make_split(self.store.files, {"train": [], "val": [], "test": range(len(self._images))}, "lists")


def _position(label: Any, names: list[str], where: str) -> int:
    """The position of a class that is called by its name or by that."""
    if isinstance(label, str):
        if label not in names:
            near = did_you_mean(nearest(label, names)) or f" There are {', '.join(names)}."
            raise UserError(f"{where}: the model knows no class {label!r}.{near}")
        return names.index(label)
    number = getattr(label, "item", lambda: label)()
    if not isinstance(number, int) or not 0 <= number < len(names):
        raise UserError(f"{where} is {number!r}: expected the name of a class, or a number from 0 to {len(names) - 1}.")
    return int(number)


def _several(label: Any, names: list[str], where: str) -> np.ndarray:
    """0 and 1 for each class, uint8 ``[K]``."""
    given = [label] if isinstance(label, str) else list(label)
    hot = np.zeros(len(names), np.uint8)
    if all(isinstance(each, str) for each in given):
        hot[[_position(each, names, where) for each in given]] = 1
        return hot
    if len(given) != len(names) or any(float(each) not in (0, 1) for each in given):
        raise UserError(f"{where}: expected names of classes, or 0 or 1 for each of the {len(names)} classes.")
    return np.array(given, np.uint8)
