"""What all augmentations have in common, and how a list of them is applied."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import groupby
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from eurosat_cls.data.augment.pixels import copy_of
from eurosat_cls.data.batch import Batch, TaskName
from eurosat_cls.utils.configurable import Configurable
from eurosat_cls.utils.errors import UserError

A = TypeVar("A", bound="Augmentation")


class Augmentation(nn.Module, Configurable, ABC):
    """Change some patches of a raw batch.

    A family of augmentations that can share work, such as :class:`~eurosat_cls.data.augment.Geometric`, implements
    :meth:`apply_all`; members of one family that follow each other in a list are applied in one go.

    Args:
        probability: chance of each patch to be changed, drawn anew in every epoch.
        disable_last_epochs: leave patches alone in that many last epochs of the training; 0 for never.

    Raises:
        UserError: when one of them is out of range.
    """

    in_place: ClassVar[bool] = True  # whether apply_all writes into the image that it is given
    needs_shares: ClassVar[bool] = False  # whether targets have to be shares of the classes, floating

    def __init__(self, probability: float = 1.0, disable_last_epochs: int = 0) -> None:
        super().__init__()
        self.require(0 <= probability <= 1, f"probability must be between 0 and 1, got {probability}")
        self.require(disable_last_epochs >= 0, f"disable_last_epochs must be at least 0, got {disable_last_epochs}")
        self.probability, self.disable_last_epochs = probability, disable_last_epochs

    def require(self, fulfilled: bool, otherwise: str) -> None:
        """Raise a UserError that names this augmentation unless a condition is fulfilled."""
        if not fulfilled:
            raise UserError(f"{type(self).__name__}: {otherwise}.")

    def active(self, epoch: int, epochs: int | None) -> bool:
        """Return whether this augmentation is on in an epoch (from 0) of a training of ``epochs``, if known."""
        return epochs is None or epoch < epochs - self.disable_last_epochs

    def prepare(self, files: Sequence[str], train: np.ndarray, class_names: Sequence[str], task: TaskName) -> None:
        """Get to know the patches before the first batch of a training, where that matters.

        Args:
            files: of all patches.
            train: ``[N]`` int64 positions of those in training.
            class_names: the classes in label order.
            task: what a label means.
        """

    def choose(self, count: int, generator: torch.Generator) -> Tensor:
        """Return which patches of a batch are changed: ``[count]`` bool on the CPU."""
        return torch.rand(count, generator=generator) < self.probability

    @classmethod
    @abstractmethod
    def apply_all(cls: type[A], parts: Sequence[A], batch: Batch, epoch: int, generator: torch.Generator) -> Batch:
        """Return the batch changed by these members of the family, in order.

        Args:
            parts: at least one augmentation.
            batch: raw patches; the image may be overwritten where ``in_place`` is set, other tensors may not.
            epoch: current epoch, from 0.
            generator: a CPU generator, seeded for this very batch.
        """

    def forward(self, batch: Batch, epoch: int, generator: torch.Generator) -> Batch:
        """Return the changed batch, as :func:`augment_batch` does."""
        return augment_batch([self], batch, epoch, generator)


def augment_batch(
    augmentations: Sequence[Augmentation],
    batch: Batch,
    epoch: int,
    generator: torch.Generator,
    epochs: int | None = None,
) -> Batch:
    """Apply augmentations in order.

    Args:
        augmentations: what to apply; members of one family that follow each other share one pass over the pixels.
        batch: raw patches; none of its tensors is changed.
        epoch: current epoch, from 0.
        generator: a CPU generator, seeded for this very batch.
        epochs: length of the training, on which ``disable_last_epochs`` counts back; None where it is not known.

    Returns:
        The changed batch, with the same ``index``.
    """
    given = batch.image
    on = [part for part in augmentations if part.active(epoch, epochs)]
    for family, parts in groupby(on, _family):
        if family.in_place and batch.image is given:
            batch = batch._replace(image=copy_of(given))
        batch = family.apply_all(list(parts), batch, epoch, generator)
    return batch


def check_schedule(augmentations: Sequence[Augmentation], epochs: int | None) -> None:
    """Warn of an ``disable_last_epochs`` that does not do what it says in a training of this length, if known."""
    for part in augmentations:
        name, last = type(part).__name__, part.disable_last_epochs
        if last and epochs is None:
            warnings.warn(f"{name}: disable_last_epochs has no effect without trainer.max_epochs", stacklevel=2)
        elif epochs is not None and last >= epochs:
            warnings.warn(f"{name} is off in all of the {epochs} epochs: disable_last_epochs is {last}", stacklevel=2)


def _family(part: Augmentation) -> type[Augmentation]:
    return next(base for base in type(part).__mro__ if "apply_all" in vars(base))


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
