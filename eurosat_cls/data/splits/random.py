"""A stratified random split that is the same on every machine."""

from collections.abc import Sequence

import numpy as np

from eurosat_cls.data.splits.base import (
    PARTS,
    Split,
    SplitMethod,
    check_fractions,
    hash_order,
    make_split,
    strata,
)
from eurosat_cls.data.store.store import Store


class RandomSplit(SplitMethod):
    """Draw a stratified split by a hash of the patches' names, as :func:`random_split` does.

    Patches that lie side by side may land in different parts, so a score on such a split tells how good a model is in
    the region that it was trained on. For another region, see ``SpatialSplit``.

    Args:
        fractions: of train, val and test; positive, with a sum of at most 1.
        seed: picks the draw; has nothing to do with the seed of the training.

    Raises:
        UserError: for bad fractions.
    """

    def __init__(self, fractions: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 42) -> None:
        check_fractions(fractions)
        self.fractions, self.seed = tuple(fractions), seed

    def divide(self, store: Store) -> Split:
        """Divide the patches of ``store``."""
        return random_split(store.files, store.labels, self.fractions, self.seed)


def random_split(
    files: Sequence[str], labels: np.ndarray, fractions: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 42
) -> Split:
    """Draw a stratified split that is the same on every machine.

    Inside a stratum, patches are ordered by the SHA-256 of ``"<seed>:<stem>"``. So neither the files' order nor a
    library's random generator plays a role, and JPEG and TIFF files of one patch land in one part. A patch with several
    labels (``[N, K]`` of 0 and 1) counts as one of its rarest class.

    Raises:
        UserError: for bad fractions.
    """
    assert len(files) == len(labels)
    check_fractions(fractions)
    order = hash_order(files, seed)
    ordered_strata = strata(np.asarray(labels))[order]
    chosen: dict[str, list[int]] = {part: [] for part in PARTS}
    ends = [sum(fractions[: i + 1]) for i in range(3)]
    for stratum in np.unique(ordered_strata):
        members = order[ordered_strata == stratum].tolist()
        start = 0
        for part, end_fraction in zip(PARTS, ends, strict=True):
            end = min(len(members), int(len(members) * end_fraction + 0.5 + 1e-6))
            chosen[part] += members[start:end]
            start = end
    return make_split(files, chosen, "random")
