"""What every data module of patches has in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from eurosat_cls.data.augment import Augmentation, augment_batch
from eurosat_cls.data.batch import Batch, TaskName
from eurosat_cls.data.corrections import corrected, digest_of_labels
from eurosat_cls.data.identity import InputStatistics
from eurosat_cls.data.loader import EpochBatches, PatchDataset, make_loader, rows_within
from eurosat_cls.data.resumed import print_changes
from eurosat_cls.data.splits import (
    RandomSplit,
    SpatialSplit,
    Split,
    SplitLists,
    SplitMethod,
    check_classes,
    spread,
    take_subset,
)
from eurosat_cls.data.statistics import BandStatistics, band_statistics
from eurosat_cls.data.store.store import Store, class_counts
from eurosat_cls.data.unit import Unit
from eurosat_cls.utils.configurable import Configurable
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.seeds import generator_for, run_seed

Part = Literal["train", "val", "test", "all"]


class PatchDataModule(LightningDataModule, Configurable, ABC):
    """Serve a patch store in whole batches, split into train, val and test.

    A subclass says where its store comes from (:meth:`open_store`). The store is opened, or built, when one of the
    properties or loaders is first used.

    Args:
        bands: bands to serve, in this order, by their names in the store; None for all.
        split: ``random`` (stratified, by a hash of the file names), ``spatial``, split lists, or a method of
            :mod:`eurosat_cls.data.splits`; a data set may know further words.
        batch_size: patches of a batch, in training and evaluation.
        augment: augmentations of the training batches, in order.
        predict_split: which part ``predict`` goes through.
        shots_per_class: train on that many patches of each class only.
        train_fraction: train on that share of the training patches only.
        subset_seed: picks the patches of the two settings above.
        labels: CSV file of corrected labels, see :func:`~eurosat_cls.data.corrections.corrected`; they hold in all
            parts, while the split stays that of the labels before.

    Attributes:
        task: what a label means, see :data:`eurosat_cls.data.batch.TaskName`.
        train_available: training patches of the split, of which the settings above may take some.

    Raises:
        UserError: for a batch size below 1; later for anything wrong with the source or the split.
    """

    task: TaskName = "multiclass"

    def __init__(
        self,
        *,
        bands: Sequence[str] | None = None,
        split: SplitMethod | str = "random",
        batch_size: int = 128,
        augment: list[Augmentation] | None = None,
        predict_split: Part = "test",
        shots_per_class: int | None = None,
        train_fraction: float = 1.0,
        subset_seed: int = 0,
        labels: str | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise UserError(f"data.batch_size must be at least 1, got {batch_size}.")
        self.wanted_bands, self.split_source = bands, split
        self.shots_per_class, self.train_fraction, self.subset_seed = shots_per_class, train_fraction, subset_seed
        self.labels = labels
        self.batch_size, self.augment, self.predict_split = batch_size, list(augment or ()), predict_split
        self._first_index = self.train_available = 0

    @abstractmethod
    def open_store(self) -> Store:
        """Open the store, building it first if need be."""

    def named_split(self, name: str) -> SplitMethod:
        """Return the split method that a word in ``split`` means; a data set may know more of them."""
        methods: dict[str, type[SplitMethod]] = {"random": RandomSplit, "spatial": SpatialSplit}
        return methods[name]() if name in methods else SplitLists(name)

    # --- what follows from the data, linked to the model ---------------------------------------------------------

    @cached_property
    def store(self) -> Store:
        """The patches, with corrected labels where there are such."""
        return self._as_published if self.labels is None else corrected(self._as_published, Path(self.labels))

    @cached_property
    def _as_published(self) -> Store:
        return self.open_store()

    @property
    def split_method(self) -> SplitMethod:
        """What divides the patches."""
        return self.named_split(self.split_source) if isinstance(self.split_source, str) else self.split_source

    @cached_property
    def split(self) -> Split:
        """The indices of train, val and test."""
        store = self.store
        # By the labels before any correction, so that no patch moves from one part to another.
        split = self.split_method.divide(self._as_published)
        check_classes(split, store.labels, store.class_names)
        self.train_available = len(split.train)
        return take_subset(split, store, self.shots_per_class, self.train_fraction, self.subset_seed)

    @property
    def class_names(self) -> list[str]:
        """The classes in label order."""
        return self.store.class_names

    @property
    def class_counts(self) -> list[int]:
        """Training patches of each class."""
        return class_counts(self.store.labels[self.split.train], len(self.class_names))

    @property
    def train_patches(self) -> int:
        """Training patches."""
        return len(self.split.train)

    @property
    def bands(self) -> list[str]:
        """The bands in channel order."""
        return list(self.store.bands if self.wanted_bands is None else self.wanted_bands)

    @property
    def channels(self) -> list[int]:
        """Positions of :attr:`bands` in the store."""
        for band in self.bands:
            if band not in self.store.bands:
                raise UserError(
                    f"data.bands: {band!r} is not in this data set, which has {', '.join(self.store.bands)}."
                )
        return [self.store.bands.index(band) for band in self.bands]

    @cached_property
    def _statistics(self) -> BandStatistics:
        return BandStatistics(*(values[self.channels] for values in band_statistics(self.store, self.split)))

    @property
    def mean(self) -> list[float]:
        """Mean of each band over the training patches, in raw sensor values."""
        return [float(value) for value in self._statistics.mean]

    @property
    def std(self) -> list[float]:
        """Standard deviation of each band over the training patches, in raw sensor values."""
        return [float(value) or 1.0 for value in self._statistics.std]  # a band that never varies is not divided by 0

    @property
    def input_statistics(self) -> dict[str, Any] | None:
        """What training patches are, as plain data: :class:`~eurosat_cls.data.identity.InputStatistics`."""
        return InputStatistics.of(self.store, self._statistics).plain()

    @property
    def unit(self) -> dict[str, Any]:
        """What the values of the patches mean, as plain data, see :class:`~eurosat_cls.data.unit.Unit`."""
        return Unit(str(self.store.images.dtype)).plain()

    @property
    def patch_shape(self) -> tuple[int, int, int]:
        """``(C, H, W)`` of a patch as the model gets it."""
        return (len(self.bands), *self.store.images.shape[2:])

    @property
    def train_batches(self) -> int:
        """Training batches of an epoch, in each process.

        Raises:
            UserError: when there are fewer training patches than one batch.
        """
        rows, together = len(self.split.train), self.batch_size * self._processes
        if rows < together:
            each = f" in each of {self._processes} processes" if self._processes > 1 else ""
            raise UserError(
                f"There are {rows} training patches, fewer than one batch{each}: "
                f"lower data.batch_size from {self.batch_size}."
            )
        return rows // together

    @property
    def _processes(self) -> int:
        return self.trainer.world_size if self.trainer is not None else 1

    def files(self, indices: Sequence[int]) -> list[str]:
        """Names of the patches at these positions of the store."""
        return [self.store.files[index] for index in indices]

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Raw patches ``[n, C, H, W]`` at these positions of the store, with the bands that the model gets."""
        return self.store.read(np.asarray(indices, np.int64))[:, self.channels]

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the data, as plain values."""
        return {
            "split_method": self.split.method,
            "split_sha256": self.split.sha256,
            "source": self.store.source,
            "fingerprint": self.store.fingerprint,
            "seed": run_seed(),
            "global_batch": self.batch_size * self._processes,
            "patch_size": self.patch_shape[1],
            **({} if self.labels is None else {"labels": digest_of_labels(self.store)}),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Say what makes a training that goes on another one than it was."""
        if self.trainer is not None and self.trainer.state.fn == "fit":
            print_changes(state, self.state_dict())

    # --- batches -------------------------------------------------------------------------------------------------

    def _loader(self, indices: np.ndarray, training: bool) -> DataLoader[Batch]:
        seed = run_seed() if training else None
        rank = self.trainer.global_rank if self.trainer is not None else 0
        batches = EpochBatches(indices, self.batch_size, seed, training, rank, self._processes)
        return make_loader(PatchDataset(self.store, self.channels), batches)

    def scored(self, part: Literal["val", "test"]) -> tuple[int, int]:
        """Return how many patches of a part are scored under the trainer's limits, and how many there are."""
        rows, limit = len(getattr(self.split, part)), getattr(self.trainer, f"limit_{part}_batches", None)
        return rows_within(limit, rows, self.batch_size, self._processes), rows

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled batches; a last one that is not full is left out."""
        assert self.train_batches
        for part in self.augment:
            part.prepare(self.store.files, self.split.train, self.class_names, self.task)
        return self._loader(self.split.train, training=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Validation patches in order; those that a limit leaves are of all classes."""
        return self._loader(spread(self.split.val, self.store, self.scored("val")[0]), training=False)

    def test_dataloader(self) -> DataLoader[Batch]:
        """Test patches in order; those that a limit leaves are of all classes."""
        return self._loader(spread(self.split.test, self.store, self.scored("test")[0]), training=False)

    def predict_dataloader(self) -> DataLoader[Batch]:
        """The patches of ``predict_split`` in order."""
        everything = np.arange(len(self.store.files), dtype=np.int64)
        return self._loader(
            everything if self.predict_split == "all" else getattr(self.split, self.predict_split), False
        )

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move the batch; its first row, read before the move, seeds its augmentation."""
        self._first_index = int(batch.indices[0])
        moved: Batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return moved

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Augment training batches, with randomness that follows from the seed, the epoch and the batch alone."""
        if self.task == "multilabel":
            batch = batch._replace(target=batch.target.float())
        if self.trainer is None or not self.trainer.training or not self.augment:
            return batch
        if any(part.needs_shares for part in self.augment) and not batch.target.is_floating_point():
            shares = batch.target.float() if self.task == "binary" else self._one_hot(batch.target)
            batch = batch._replace(target=shares)
        epoch, epochs = self.trainer.current_epoch, self.trainer.max_epochs
        generator = generator_for(epoch, self._first_index)
        return augment_batch(self.augment, batch, epoch, generator, epochs if epochs and epochs > 0 else None)

    def _one_hot(self, target: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(target, len(self.class_names)).float()


def require_patches(data: object, who: str) -> PatchDataModule:
    """Return a data module of patches.

    Raises:
        UserError: saying who needs one, for anything else.
    """
    if not isinstance(data, PatchDataModule):
        raise UserError(f"{who} needs a data module of patches, as those of eurosat_cls.data are.")
    return data
