"""From a patch store to whole batches, in an order that depends on nothing but the seed and the epoch."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from eurosat_cls.data.batch import Batch
from eurosat_cls.data.store import Store

# Up to this size a store's pages are mapped before training, instead of by thousands of page faults during its first
# epoch; a larger one would fill the memory.
MAPPED_AHEAD = 2**30
_MADV_POPULATE_READ = 22  # Linux 5.14; Python's mmap module has no name for it


class PatchDataset(Dataset[Batch]):
    """Read whole batches from a store by fancy indexing.

    Args:
        store: the patches.
        channels: positions in the store of the bands that are wanted, in the order wanted.
    """

    def __init__(self, store: Store, channels: list[int]) -> None:
        self.images: np.ndarray = np.asarray(store.images)  # a view of the memory map without its slow subclass
        self.labels = store.labels
        if self.images.nbytes <= MAPPED_AHEAD:
            _map_ahead(store.images)
        self.channels = None if channels == list(range(len(store.bands))) else channels

    def __getitem__(self, rows: Any) -> Batch:
        """Return the batch of these rows: an int64 array ``[B]`` of positions in the store."""
        image = self.images[rows]
        if self.channels is not None:
            image = np.ascontiguousarray(image[:, self.channels])
        return Batch(torch.from_numpy(image), torch.from_numpy(self.labels[rows]), torch.from_numpy(rows))


class EpochBatches(Sampler[np.ndarray]):
    """Give the rows of each batch.

    Args:
        rows: int64 positions in the store.
        batch_size: rows of a batch.
        shuffle_seed: seed of the order, or None for the order of ``rows``.
        drop_last: leave out a last batch that is not full.
    """

    def __init__(self, rows: np.ndarray, batch_size: int, shuffle_seed: int | None, drop_last: bool) -> None:
        self.rows, self.batch_size = rows, batch_size
        self.shuffle_seed, self.drop_last = shuffle_seed, drop_last
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; Lightning calls this before every epoch, also after a resume."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches."""
        whole, rest = divmod(len(self.rows), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield int64 arrays of rows."""
        rows = self.rows
        if self.shuffle_seed is not None:
            rows = np.random.default_rng([self.shuffle_seed, self.epoch]).permutation(rows)
        for batch in range(len(self)):
            yield rows[batch * self.batch_size : (batch + 1) * self.batch_size].copy()


def make_loader(dataset: PatchDataset, batches: EpochBatches) -> DataLoader[Batch]:
    """Return a loader that reads one batch per step in this process: a batch is one copy out of the page cache."""
    return DataLoader(dataset, batch_size=None, sampler=batches, pin_memory=torch.cuda.is_available())


def _map_ahead(images: np.ndarray) -> None:
    """Map all pages of a memory map at once, where the system can; it reads the same without."""
    mapped = getattr(images, "_mmap", None)
    if mapped is not None:
        with suppress(OSError, ValueError, AttributeError):
            mapped.madvise(_MADV_POPULATE_READ)
