"""Augmentations of some patches, one after the other."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from eurosat_cls.data.augment.base import Augmentation
from eurosat_cls.data.batch import Batch

P = TypeVar("P", bound="Patchwise")


class Patchwise(Augmentation):
    """Overwrite each chosen patch with something made of itself."""

    @abstractmethod
    def change(self, image: Tensor, rows: Tensor, generator: torch.Generator) -> None:
        """Overwrite some patches.

        Args:
            image: ``[B, C, H, W]`` raw and contiguous.
            rows: ``[n]`` int64 positions of the chosen patches, at least one, on the device of the image.
            generator: as in :func:`~eurosat_cls.data.augment.augment_batch`.
        """

    @classmethod
    def apply_all(cls: type[P], parts: Sequence[P], batch: Batch, epoch: int, generator: torch.Generator) -> Batch:
        """Return the batch changed by one part after the other."""
        for part in parts:
            rows = part.choose(len(batch.image), generator).nonzero()[:, 0]
            if len(rows):
                part.change(batch.image, rows.to(batch.image.device), generator)
        return batch
