"""Stores made by hand: what a split looks at, and no pixels."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from eurosat_cls.data.patch import BoundingBox
from eurosat_cls.data.splits import Split
from eurosat_cls.data.store.store import Store
from tests.data.helpers import CLASS_NAMES

COUNTS = [3000, 3000, 3000, 2500, 2500, 2000, 2500, 3000, 2500, 3000]  # EuroSAT


def eurosat_names(suffix: str = ".jpg", counts: Sequence[int] = COUNTS) -> tuple[list[str], np.ndarray]:
    """Names and labels like those of EuroSAT."""
    pairs = [(f"{c}/{c}_{n}{suffix}", k) for k, c in enumerate(CLASS_NAMES) for n in range(1, counts[k] + 1)]
    return [file for file, _ in pairs], np.array([label for _, label in pairs])


def make_store(
    files: list[str],
    labels: np.ndarray,
    places: Sequence[BoundingBox | None] | None = None,
    class_names: Sequence[str] = CLASS_NAMES,
) -> Store:
    """A store of these patches, without pixels."""
    return Store(
        path=Path("store"),
        images=np.zeros((len(files), 1, 1, 1), dtype=np.uint8),
        labels=labels,
        files=files,
        class_names=list(class_names),
        bands=["B04"],
        source="some.zip",
        fingerprint="",
        skipped={},
        places=[None] * len(files) if places is None else list(places),
    )


def eurosat_store(per_class: int, suffix: str = ".jpg") -> Store:
    """A store with so many patches of each class of EuroSAT."""
    return make_store(*eurosat_names(suffix, [per_class] * 10))


def multilabel_store(count: int = 400, seed: int = 0) -> Store:
    """A store whose patches have none to four of four classes: common, a quarter, rare, and very rare."""
    labels = (np.random.default_rng(seed).random((count, 4)) < [0.7, 0.25, 0.1, 0.03]).astype(np.uint8)
    return make_store([f"p{n}.tif" for n in range(count)], labels, class_names=["common", "some", "rare", "odd"])


def shuffled(store: Store, seed: int = 0) -> Store:
    """The same patches in another order."""
    order = list(range(len(store.files)))
    random.Random(seed).shuffle(order)
    files, places = [store.files[i] for i in order], [store.places[i] for i in order]
    return replace(store, files=files, labels=store.labels[order], places=places)


def members(split: Split, files: Sequence[str]) -> dict[str, set[str]]:
    """Stems of each part."""
    return {part: {files[i].rsplit("/")[-1][:-4] for i in rows} for part, rows in split.parts().items()}
