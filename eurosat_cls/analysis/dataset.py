"""A look at the data: what the commands ``statistics`` and ``show`` print and write."""

from collections.abc import Sequence

from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.data.sentinel2 import BANDS, wavelengths
from eurosat_cls.data.statistics import Statistics, full_statistics
from eurosat_cls.data.store.store import class_counts


def statistics_of(data: PatchDataModule) -> Statistics:
    """Return the statistics of the training patches, for the bands of the data module in its order."""
    return full_statistics(data.store, data.split).select(data.channels)


def counts_of(data: PatchDataModule) -> dict[str, list[int]]:
    """Return the patches of each class ``[K]`` in train, val and test."""
    labels, classes = data.store.labels, len(data.class_names)
    return {part: class_counts(labels[indices], classes) for part, indices in data.split.parts().items()}


def patches_by_class(data: object) -> dict[str, dict[str, int]]:
    """Return the same by name; nothing for data that are no patches."""
    if not isinstance(data, PatchDataModule):
        return {}
    return {part: dict(zip(data.class_names, counts, strict=True)) for part, counts in counts_of(data).items()}


def nanometres_of(bands: Sequence[str]) -> list[float] | None:
    """Return the centre wavelengths, where all bands are called as Sentinel-2's."""
    return wavelengths(bands) if set(bands) <= set(BANDS) else None
