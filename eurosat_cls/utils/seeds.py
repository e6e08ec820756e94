"""Randomness that follows from what it is for, so that a resumed training draws what an uninterrupted one would."""

import os
import random
from typing import Any

import numpy as np
import torch


def run_seed() -> int:
    """The seed of the run: PL_GLOBAL_SEED is where Lightning's seed_everything keeps it."""
    return int(os.environ.get("PL_GLOBAL_SEED", 0))


def generator_for(*words: int) -> torch.Generator:
    """Return a CPU generator that depends on the run's seed and these words (epoch, batch, ...) alone."""
    sequence = np.random.SeedSequence([run_seed(), *words])
    return torch.Generator().manual_seed(int(sequence.generate_state(1, np.uint64)[0]) >> 1)


def random_state() -> dict[str, Any]:
    """Return the state of the generators of torch (CPU and the GPU in use), numpy and Python, as plain data."""
    algorithm, keys, *position = np.random.get_state(legacy=True)  # noqa: NPY002 - other packages draw from it
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": (str(algorithm), torch.from_numpy(np.asarray(keys).astype(np.int64)), *position),
        "python": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Put generators into a state that :func:`random_state` returned."""
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
    algorithm, keys, *position = state["numpy"]
    np.random.set_state((algorithm, keys.numpy().astype(np.uint32), *position))  # noqa: NPY002
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
