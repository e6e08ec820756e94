"""Parts of a part: a few patches of each class, a share of all, or a share that stands for all."""

from collections.abc import Sequence

import numpy as np

from eurosat_cls.data.splits.base import Split, hash_order, make_split, one_hot, strata
from eurosat_cls.data.store.store import Store, class_counts
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import some


def take_subset(
    split: Split, store: Store, shots_per_class: int | None = None, train_fraction: float = 1.0, seed: int = 0
) -> Split:
    """Keep only some of the training patches; val and test stay as they are.

    With the same seed, a smaller subset is a part of a larger one. Neither the files' order nor a library's random
    generator plays a role.

    Args:
        split: a split of ``store``.
        store: whose names and labels are used.
        shots_per_class: training patches to keep of each class, exactly. Where patches have several labels, patches
            are added for one class after the other, in rounds, until each class is on that many; so a class that
            often comes along with others ends with more. Patches without a label are left out.
        train_fraction: share to keep of each class (of patches whose rarest class it is, where they have several),
            in (0, 1]; at least one patch.
        seed: picks the patches.

    Returns:
        The split with fewer training patches, its ``sha256`` that of what is left.

    Raises:
        UserError: when both are given, for values out of range, and for a class with fewer training patches than
            ``shots_per_class``, or none in what is left.
    """
    if not 0 < train_fraction <= 1:  # true for NaN
        raise UserError(f"data.train_fraction is {train_fraction}, expected a number above 0 and at most 1")
    if shots_per_class is None and train_fraction == 1:
        return split
    if shots_per_class is not None and train_fraction != 1:
        raise UserError("data.shots_per_class and data.train_fraction exclude each other: give one of them")
    if shots_per_class is not None and shots_per_class < 1:
        raise UserError(f"data.shots_per_class must be at least 1, got {shots_per_class}")
    # The prefix keeps the draw apart from that of a random split with the same seed.
    indices = split.train[hash_order([store.files[row] for row in split.train], f"subset:{seed}")]
    if shots_per_class is None:
        train = indices[_fraction(store.labels[indices], train_fraction)]
    else:
        train = indices[_shots(store.labels[indices], store.class_names, shots_per_class)]
    counts = class_counts(store.labels[train], len(store.class_names))
    if lost := [name for name, count in zip(store.class_names, counts, strict=True) if not count]:
        raise UserError(f"data.train_fraction {train_fraction} leaves no training patch of class {', '.join(lost)}")
    return make_split(store.files, {**split.parts(), "train": train}, split.method)


def spread(indices: np.ndarray, store: Store, count: int) -> np.ndarray:
    """Put ``count`` patches in which classes have their shares in front of the others, each in their order.

    Args:
        indices: positions in ``store``.
        store: whose names and labels are used.
        count: how many; where there are fewer than classes, each is of another class.
    """
    if count >= len(indices):
        return indices
    order = hash_order([store.files[row] for row in indices], "evaluation")
    of_patch = strata(store.labels[indices])[order]
    depth = np.empty(len(order))  # of a patch within its class, from 0 to 1
    for stratum in np.unique(of_patch):
        members = np.flatnonzero(of_patch == stratum)
        depth[members] = (np.arange(len(members)) + 0.5) / len(members)
        depth[members[0]] = 0  # one of each first
    chosen = np.zeros(len(indices), dtype=bool)
    chosen[order[np.argsort(depth, kind="stable")[:count]]] = True
    return np.concatenate([indices[chosen], indices[~chosen]])


def _fraction(labels: np.ndarray, fraction: float) -> np.ndarray:
    """Return the positions of the first ``fraction`` of each stratum."""
    of_patch = strata(labels)
    kept = []
    for stratum in np.unique(of_patch):
        members = np.flatnonzero(of_patch == stratum)
        kept.append(members[: max(1, int(len(members) * fraction + 0.5 + 1e-6))])
    return np.concatenate(kept)


def _shots(labels: np.ndarray, class_names: Sequence[str], shots: int) -> np.ndarray:
    """Return the positions of the first patches that give each class ``shots``.

    Classes take turns, the rarest first, each adding its next patch while it has fewer patches than there were
    rounds. So the patches of n rounds are among those of n + 1.
    """
    members = [np.flatnonzero(labels[:, k] if labels.ndim == 2 else labels == k) for k in range(len(class_names))]
    if few := [k for k, patches in enumerate(members) if len(patches) < shots]:
        lacking = some([f"{len(members[k])} of {class_names[k]}" for k in few])
        raise UserError(f"data.shots_per_class is {shots}, but the training part has only {lacking}")
    turns = sorted(range(len(members)), key=lambda k: len(members[k]))
    waiting = [iter(patches.tolist()) for patches in members]
    classes_of = labels if labels.ndim == 2 else one_hot(labels, len(class_names))
    chosen: set[int] = set()
    counts = np.zeros(len(class_names), dtype=np.int64)
    for goal in range(1, shots + 1):
        for k in turns:
            while counts[k] < goal:
                patch = next(waiting[k])
                if patch not in chosen:
                    chosen.add(patch)
                    counts += classes_of[patch]
    return np.array(sorted(chosen), dtype=np.int64)
