"""From a patch store to whole batches, in an order that depends on nothing but the seed and the epoch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from eurosat_cls.data.batch import Batch
from eurosat_cls.data.store.reader import PatchReader
from eurosat_cls.data.store.store import Store
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.limits import COUNT, checked


class PatchDataset(Dataset[Batch]):
    """Read whole batches from a store.

    Args:
        store: the patches.
        channels: positions in the store of the bands that are wanted, in the order wanted.
    """

    def __init__(self, store: Store, channels: list[int]) -> None:
        self.reader = PatchReader(store.images)
        self.reader.map_ahead()
        self.labels = store.labels
        self.channels = None if channels == list(range(len(store.bands))) else channels

    def __getitem__(self, indices: Any) -> Batch:
        """Return the batch of these indices: an int64 array ``[B]`` of positions in the store."""
        image = self.reader.read(indices, self.channels)
        return Batch(torch.from_numpy(image), torch.from_numpy(self.labels[indices]), torch.from_numpy(indices))

    def ahead(self, indices: np.ndarray) -> None:
        """Let the system fetch the indices of the batch after this one meanwhile."""
        self.reader.ahead(indices, self.channels)


class EpochBatches(DistributedSampler[np.ndarray]):
    """Give the indices of each batch, in the share of one of several processes.

    In training the batches of one step together are consecutive indices of the epoch's order, so that two processes
    with batches of 64 see in each step what one process with batches of 128 sees; every process has equally many whole
    batches. In evaluation every row is given once, to one process, and all have equally many batches, of sizes that
    differ by at most one row.

    It is a DistributedSampler so that Lightning leaves the sharing out to it.

    Args:
        indices: int64 positions in the store.
        batch_size: indices of a batch, at most.
        shuffle_seed: seed of the order, or None for the order of ``indices``.
        drop_last: leave out a last batch that is not full, as in training.
        rank: which of the processes this is.
        processes: how many there are.

    Raises:
        UserError: when there are fewer indices than batches that they have to be dealt out to.
    """

    def __init__(
        self,
        indices: np.ndarray,
        batch_size: int,
        shuffle_seed: int | None,
        drop_last: bool,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        super().__init__(indices, processes, rank, shuffle_seed is not None, shuffle_seed or 0, drop_last)  # type: ignore[arg-type]
        self.indices, self.batch_size = indices, batch_size
        self.ahead: Callable[[np.ndarray], None] | None = None  # is told of every batch while the one before is in use
        self.position = 0  # batches of the epoch given so far
        self._skipped = 0
        if processes > 1 and not drop_last and 0 < len(indices) < len(self) * processes:
            raise UserError(
                f"{len(indices)} patches cannot be dealt out to {processes} processes in batches of at most "
                f"{batch_size}: take fewer processes, or another data.batch_size."
            )

    @property
    def global_batch(self) -> int:
        """Rows of the batches that all processes see in one step."""
        return self.batch_size * self.num_replicas

    def skip(self, batches: int) -> None:
        """Leave out so many batches of the next epoch that is gone through, and no more than there are."""
        self._skipped = self.position = batches if batches < len(self) else 0

    def __len__(self) -> int:
        """Return the number of batches of this process."""
        whole, rest = divmod(len(self.indices), self.global_batch)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield int64 arrays of indices."""
        first, self._skipped = self._skipped, 0
        batches = self._batches()[first:]
        for place, batch in enumerate(batches):
            if self.ahead is not None and place + 1 < len(batches):
                self.ahead(batches[place + 1])
            self.position = first + place + 1
            yield batch.copy()

    def _batches(self) -> list[np.ndarray]:
        """Return this process's batches of the epoch, views of its order."""
        indices = self.indices
        if self.shuffle:
            indices = np.random.default_rng([self.seed, self.epoch]).permutation(indices)
        steps, processes = len(self), self.num_replicas
        if self.drop_last or processes == 1:
            starts = range(self.rank * self.batch_size, steps * self.global_batch, self.global_batch)
            return [indices[start : start + self.batch_size] for start in starts]
        return np.array_split(indices, steps * processes)[self.rank :: processes] if steps else []


def rows_within(limit: float | None, rows: int, batch_size: int, processes: int) -> int:
    """Return how many of so many rows are evaluated under a limit: a number of batches, or a share of them (float)."""
    steps = -(-rows // (batch_size * processes))
    limit = 1.0 if limit is None else limit
    kept = min(limit, steps) if isinstance(limit, int) else int(limit * steps)
    if processes == 1:
        return min(rows, kept * batch_size)
    whole, rest = divmod(rows, max(1, steps * processes))
    return kept * processes * whole + min(rest, kept * processes)


class PatchLoader(DataLoader[Batch]):
    """A loader over :class:`EpochBatches`; its state is how far it is in an epoch, from where a training can go on."""

    sampler: EpochBatches

    def state_dict(self) -> dict[str, int]:
        """Return how many batches of the epoch were read, and what their order follows from."""
        batches = self.sampler
        return {"batches": batches.position, "global_batch": batches.global_batch, "seed": batches.seed}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Leave out what was read of the epoch.

        Raises:
            UserError: when the rest of it would be other patches than those that are left, and for another state.
        """
        batches = self.sampler
        checked(state, dict.fromkeys(("batches", "global_batch", "seed"), COUNT), "the checkpoint: where its epoch is")
        if state["seed"] != batches.seed:
            raise UserError(
                f"The checkpoint is in the middle of an epoch whose order follows from seed {state['seed']}; continue "
                f"it with that seed instead of {batches.seed} (seed_everything)."
            )
        if state["global_batch"] != batches.global_batch:
            raise UserError(
                f"The checkpoint is in the middle of an epoch of steps of {state['global_batch']} patches; continue it "
                f"with as many: data.batch_size times the number of processes, now {batches.batch_size} times "
                f"{batches.num_replicas}."
            )
        batches.skip(state["batches"])


def make_loader(dataset: PatchDataset, batches: EpochBatches) -> PatchLoader:
    """Return a loader that reads one batch per step in this process: a batch is one copy out of the page cache.

    The system reads the batch after it meanwhile, where it is not in the page cache yet.
    """
    batches.ahead = dataset.ahead
    # A DataLoader draws a seed for workers; with a generator of its own it leaves the global one alone.
    return PatchLoader(
        dataset, batch_size=None, sampler=batches, pin_memory=torch.cuda.is_available(), generator=torch.Generator()
    )
