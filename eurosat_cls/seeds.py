"""Randomness that follows from what it is for, so that a resumed training draws what an uninterrupted one would."""

import os

import numpy as np
import torch


def run_seed() -> int:
    """The seed of the run: PL_GLOBAL_SEED is where Lightning's seed_everything keeps it."""
    return int(os.environ.get("PL_GLOBAL_SEED", 0))


def generator_for(*words: int) -> torch.Generator:
    """Return a CPU generator that depends on the run's seed and these words (epoch, batch, ...) alone."""
    sequence = np.random.SeedSequence([run_seed(), *words])
    return torch.Generator().manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))
