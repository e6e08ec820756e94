"""CIFAR-10 (Krizhevsky 2009)."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from eurosat_cls.data.cifar10_files import CLASS_NAMES, TEST_BATCH, fingerprint, locate_or_download, read_batches
from eurosat_cls.data.files.tree import stem_of
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.data.sentinel2 import RGB
from eurosat_cls.data.splits import Split, SplitMethod, split_by_part
from eurosat_cls.data.splits.base import hash_order
from eurosat_cls.data.store.store import Store, open_or_build
from eurosat_cls.data.store.store_spec import Recipe, store_name
from eurosat_cls.utils.errors import UserError

_VAL_SEED, _VAL_FRACTION = 42, 0.1
_log = logging.getLogger(__name__)


class CIFAR10(PatchDataModule):
    """The 60,000 labelled photographs of CIFAR-10, ``[3, 32, 32]`` in uint8, of ten kinds of things.

    A patch is called by its class, its batch and its position in it, from 0: ``"frog/data_batch_1_00000"``. Its bands
    have the names that red, green and blue have everywhere here: B04, B03, B02.

    Args:
        root: folder with ``cifar-10-batches-py`` or ``cifar-10-python.tar.gz``; by default the environment variable
            ``CIFAR10_ROOT``, else ``data``. When the data are not there they are downloaded into the cache folder.
        val_fraction: share of the training batches that ``split: official`` validates on, in each class, picked by a
            hash of the patches' names.
        split: ``official`` tests on the published test batch, and trains and validates on the others; ``random``, split
            lists or a method of :mod:`eurosat_cls.data.splits` divide all patches anew.
        shared: the settings that all data modules have, see :class:`~eurosat_cls.data.module.PatchDataModule`.

    Raises:
        UserError: for a share outside (0, 1); later for files that are missing, damaged or not of CIFAR-10.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """

    def __init__(
        self,
        root: str | None = None,
        val_fraction: float = _VAL_FRACTION,
        split: SplitMethod | str = "official",
        **shared: Any,
    ) -> None:
        super().__init__(bands=None, split=split, **shared)
        if not 0 < val_fraction < 1:
            raise UserError(f"data.val_fraction must be between 0 and 1, got {val_fraction}.")
        self.root = Path(root or os.environ.get("CIFAR10_ROOT") or "data").expanduser()
        self.val_fraction = val_fraction
        if split != "official" and val_fraction != _VAL_FRACTION:
            _log.warning("data.val_fraction has no effect, as data.split is %s and not official", split)

    def named_split(self, name: str) -> SplitMethod:
        """Return the split method that a word in ``split`` means."""
        return _TestBatch(self.val_fraction) if name == "official" else super().named_split(name)

    def open_store(self) -> Store:
        """Open the patches, reading the batches first if need be."""
        place = locate_or_download(self.root)
        images: dict[str, np.ndarray] = {}

        def files() -> list[tuple[str, int]]:
            labels = {}
            for name, batch in read_batches(place).items():
                for row, (image, label) in enumerate(zip(batch.images, batch.labels, strict=True)):
                    file = f"{CLASS_NAMES[label]}/{name}_{row:05d}"
                    images[file], labels[file] = image, label
            return list(labels.items())

        recipe = Recipe(
            name=store_name("cifar10", place.resolve()),
            fingerprint=fingerprint(place),
            class_names=CLASS_NAMES,
            bands=RGB,
            shape=(3, 32, 32),
            dtype="uint8",
            source=str(place),
            files=files,
            decode=images.__getitem__,
        )
        return open_or_build(recipe)


class _TestBatch(SplitMethod):
    """The published division into training and test batches, and a stratified share of the former to validate on."""

    def __init__(self, val_fraction: float) -> None:
        self.val_fraction = val_fraction

    def divide(self, store: Store) -> Split:
        """Divide the patches of ``store``."""
        tested = np.array([stem_of(file).startswith(TEST_BATCH) for file in store.files])
        parts: list[str | None] = ["test" if test else "train" for test in tested]
        order = hash_order(store.files, _VAL_SEED)
        for label in range(len(store.class_names)):
            rows = order[(store.labels[order] == label) & ~tested[order]]
            for row in rows[: round(len(rows) * self.val_fraction)].tolist():
                parts[row] = "val"
        return split_by_part(store.files, parts)
