"""From a patch store to whole batches, in an order that depends on nothing but the seed and the epoch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from eurosat_cls.data.batch import Batch
from eurosat_cls.data.reader import RowReader
from eurosat_cls.data.store import Store


class PatchDataset(Dataset[Batch]):
    """Read whole batches from a store.

    Args:
        store: the patches.
        channels: positions in the store of the bands that are wanted, in the order wanted.
    """

    def __init__(self, store: Store, channels: list[int]) -> None:
        self.reader = RowReader(store.images)
        self.reader.map_ahead()
        self.labels = store.labels
        self.channels = None if channels == list(range(len(store.bands))) else channels

    def __getitem__(self, rows: Any) -> Batch:
        """Return the batch of these rows: an int64 array ``[B]`` of positions in the store."""
        image = self.reader.read(rows, self.channels)
        return Batch(torch.from_numpy(image), torch.from_numpy(self.labels[rows]), torch.from_numpy(rows))

    def ahead(self, rows: np.ndarray) -> None:
        """Let the system fetch the rows of the batch after this one meanwhile."""
        self.reader.ahead(rows, self.channels)


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
        self.ahead: Callable[[np.ndarray], None] | None = None  # is told of every batch while the one before is in use

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
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            end = start + self.batch_size
            if self.ahead is not None:
                self.ahead(rows[end : end + self.batch_size])
            yield rows[start:end].copy()


def make_loader(dataset: PatchDataset, batches: EpochBatches) -> DataLoader[Batch]:
    """Return a loader that reads one batch per step in this process: a batch is one copy out of the page cache.

    The system reads the batch after it meanwhile, where it is not in the page cache yet.
    """
    batches.ahead = dataset.ahead
    return DataLoader(dataset, batch_size=None, sampler=batches, pin_memory=torch.cuda.is_available())
