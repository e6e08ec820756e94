"""Data: from archives and folders to whole batches of raw patches."""

from importlib import import_module
from typing import Any

_LAZY = {
    "Batch": "batch",
    "CIFAR10": "cifar10",
    "Demo": "demo",
    "EuroSAT": "eurosat",
    "ImageFiles": "images",
    "ImageFolder": "image_folder",
    "PatchDataModule": "module",
    "Table": "table",
    "BandDropout": "augment",
    "BandJitter": "augment",
    "Blur": "augment",
    "BrightnessContrast": "augment",
    "Crop": "augment",
    "CutMix": "augment",
    "Cutout": "augment",
    "Dihedral": "augment",
    "Flip": "augment",
    "Mixup": "augment",
    "Noise": "augment",
    "Shift": "augment",
    "SoftLabels": "augment",
}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    # The store's builders run where torch is not needed; the data modules load it when they are first used.
    if name in _LAZY:
        return getattr(import_module(f"eurosat_cls.data.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'eurosat_cls.data' has no attribute {name!r}")
