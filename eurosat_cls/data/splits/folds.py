"""A cross-validation: every patch is in the test part of one fold."""

from typing import Literal

import numpy as np

from eurosat_cls.data.splits.base import PARTS, Split, SplitMethod, hash_order, make_split, strata
from eurosat_cls.data.splits.earth import Positions
from eurosat_cls.data.splits.spatial import deal_blocks, keep_apart, locate_all
from eurosat_cls.data.store.store import Store, class_counts
from eurosat_cls.utils.errors import UserError

_VAL_PARTS = 5  # what is not tested is dealt out once more: one of these is validated on, the others are trained on


class FoldSplit(SplitMethod):
    """One fold of a cross-validation: it is tested, a fifth of the rest is validated on, and the others are trained on.

    The patches of each class are dealt out by a hash of their names, so that the folds are the same on every machine,
    differ by one patch of a class at most, and together hold every patch once. Nothing that is tested plays a role in
    the choice of an epoch or a threshold: the validation part is drawn from the rest, anew for each fold.

    Args:
        folds: how many there are.
        fold: which of them is tested, from 0.
        groups: ``none`` deals out single patches; ``place`` deals out the cells of a grid as a whole, like
            ``SpatialSplit``, and leaves out of train and val what lies near to another part.
        seed: picks another draw; has nothing to do with the seed of the training.
        block_km: side of the grid's cells, in km.
        buffer_m: with ``place``, how far patches of different parts are apart, in metres from edge to edge.
        of: another way to split, of which only the training part is divided, so that its val and test stay unseen: for
            teachers (:class:`~eurosat_cls.data.augment.SoftLabels`) and for choices by cross-validation.

    Raises:
        UserError: for bad values; later for a class with fewer patches than folds, and for patches without a place.
    """

    def __init__(
        self,
        folds: int = 5,
        fold: int = 0,
        groups: Literal["none", "place"] = "none",
        seed: int = 42,
        block_km: float = 20.0,
        buffer_m: float = 1000.0,
        of: SplitMethod | None = None,
    ) -> None:
        if folds < 2:
            raise UserError(f"split: folds is {folds}, expected at least 2")
        if not 0 <= fold < folds:
            raise UserError(f"split: fold is {fold}, expected 0 to {folds - 1}, as there are {folds} folds")
        if groups not in ("none", "place"):
            raise UserError(f"split: groups is {groups!r}, expected 'none' or 'place'")
        if not 0 < block_km < np.inf or not 0 <= buffer_m < np.inf:  # true for NaN
            raise UserError(f"split: block_km is {block_km} and buffer_m {buffer_m}, expected numbers above 0")
        self.folds, self.fold, self.groups, self.seed = folds, fold, groups, seed
        self.block_km, self.buffer_m, self.of = block_km, buffer_m, of

    def divide(self, store: Store) -> Split:
        """Divide the patches of ``store``.

        Raises:
            UserError: when there are more folds than patches of a class, or for patches without a place.
        """
        rows = np.arange(len(store.files), dtype=np.int64)
        rows = rows if self.of is None else self.of.divide(store).train
        counts = class_counts(store.labels[rows], len(store.class_names))
        fewest = int(np.argmin(counts))
        if self.folds > counts[fewest]:
            smallest = f"the smallest class, {store.class_names[fewest]}, has {counts[fewest]} patches"
            raise UserError(f"split: folds is {self.folds}, but {smallest}: there can be no more folds than that")
        name = f"{'spatial ' if self.groups == 'place' else ''}fold {self.fold} of {self.folds}"
        if self.groups == "none":
            return make_split(store.files, self._parts(rows, store, None), name)
        positions = locate_all(store)
        chosen = self._parts(rows, store, positions)
        return make_split(store.files, keep_apart(chosen, positions, self.buffer_m, name), name)

    def _parts(self, rows: np.ndarray, store: Store, positions: Positions | None) -> dict[str, np.ndarray]:
        test = self._deal(rows, self.folds, store, positions, f"fold:{self.seed}") == self.fold
        rest = rows[~test]
        val = self._deal(rest, _VAL_PARTS, store, positions, f"fold {self.fold}:{self.seed}") == 0
        return dict(zip(PARTS, (rest[~val], rest[val], rows[test]), strict=True))

    def _deal(self, rows: np.ndarray, hands: int, store: Store, positions: Positions | None, seed: str) -> np.ndarray:
        """Return which of the hands each of these patches is dealt to, ``[len(rows)]``."""
        dealt = np.zeros(len(rows), dtype=np.int64)
        if positions is None:
            order = hash_order([store.files[row] for row in rows], seed)
            # By class, each going on where the one before ended, so that the hands are of one size too.
            order = order[np.argsort(strata(store.labels)[rows][order], kind="stable")]
            dealt[order] = np.arange(len(rows)) % hands
            return dealt
        for hand, members in enumerate(deal_blocks(store, positions, rows, [1 / hands] * hands, self.block_km, seed)):
            dealt[np.isin(rows, members)] = hand
        return dealt
