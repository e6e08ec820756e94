"""A split by where the patches lie, with a strip between the parts."""

import logging
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np

from eurosat_cls.data.splits.base import (
    PARTS,
    Split,
    SplitMethod,
    check_fractions,
    hash_order,
    make_split,
    one_hot,
    require_all_parts,
)
from eurosat_cls.data.splits.earth import Positions, locate, near
from eurosat_cls.data.store.store import Store
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import some

_KM_PER_DEGREE = 111.195  # of latitude, on a sphere of 6,371 km radius
_BLOCK_KM, _SEED = 20.0, 42
_log = logging.getLogger(__name__)


class SpatialSplit(SplitMethod):
    """Divide patches by their own coordinates, so that no two parts come close to each other.

    A random split puts neighbours, which look alike, into train and test; this one tells how good a model is in a
    place that it has not seen. ``"blocks"`` deals out the cells of a grid as a whole, in such a way that every class
    comes close to the fractions; ``"longitude"`` cuts from west to east: train, val, test. Then patches of train that
    lie near to val or test, and patches of val that lie near to test, are left out; a warning says how many.

    The result depends on neither the files' order nor the machine.

    Args:
        fractions: of train, val and test; positive, with a sum of at most 1. Train and val end somewhat lower, for
            the patches that are left out.
        by: ``"blocks"`` or ``"longitude"``.
        block_km: side of the grid's cells, in km.
        buffer_m: two patches of different parts are more than so many metres apart, from edge to edge. At 0, only
            patches that meet or overlap are left out.
        seed: picks another draw of the blocks.

    Raises:
        UserError: for bad values.
    """

    def __init__(
        self,
        fractions: Sequence[float] = (0.6, 0.2, 0.2),
        by: Literal["blocks", "longitude"] = "blocks",
        block_km: float = _BLOCK_KM,
        buffer_m: float = 1000.0,
        seed: int = _SEED,
    ) -> None:
        check_fractions(fractions)
        if by not in ("blocks", "longitude"):
            raise UserError(f"a spatial split is by 'blocks' or 'longitude', not {by!r}")
        if not 0 < block_km < math.inf:  # true for NaN
            raise UserError(f"block_km of a spatial split is {block_km}, expected a number above 0")
        if not 0 <= buffer_m < math.inf:
            raise UserError(f"buffer_m of a spatial split is {buffer_m}, expected a number of at least 0")
        self.fractions, self.by, self.block_km = tuple(fractions), by, block_km
        self.buffer_m, self.seed = buffer_m, seed

    def divide(self, store: Store) -> Split:
        """Divide the patches of ``store``.

        Raises:
            UserError: for patches without a place, without pyproj, and when a part ends without a patch.
        """
        positions = locate_all(store)
        chosen = (self._deal_blocks if self.by == "blocks" else self._cut_longitude)(store, positions)
        return make_split(store.files, keep_apart(chosen, positions, self.buffer_m, "spatial"), "spatial")

    def blocks(self, positions: Positions) -> dict[tuple[float, float, float, float], list[int]]:
        """Return the patches of each block of the grid, by its west, south, east and north in degrees; none without."""
        if self.by != "blocks":
            return {}
        return {_bounds(cell, self.block_km): rows for cell, rows in _blocks(positions, self.block_km).items()}

    def _cut_longitude(self, store: Store, positions: Positions) -> dict[str, np.ndarray]:
        """Order the patches from west to east and cut at the fractions."""
        if (self.block_km, self.seed) != (_BLOCK_KM, _SEED):
            _log.warning("spatial split: block_km and seed have no effect on a split by longitude")
        # Rounded to 0.1 mm, so that no difference between libraries can change the order.
        keys = zip(positions.longitude.round(9), positions.latitude.round(9), store.files, strict=True)
        order = np.array([row for _, row in sorted(zip(keys, range(len(store.files)), strict=True))], dtype=np.int64)
        ends = [int(len(order) * sum(self.fractions[: i + 1]) + 0.5 + 1e-6) for i in range(3)]
        return dict(zip(PARTS, np.split(order, ends)[:3], strict=True))

    def _deal_blocks(self, store: Store, positions: Positions) -> dict[str, np.ndarray]:
        everything = np.arange(len(store.files), dtype=np.int64)
        # What the fractions leave over is dealt out like a fourth part.
        rest = 1 - sum(self.fractions)
        goals = [*self.fractions, rest] if rest > 1e-6 else self.fractions
        return dict(zip(PARTS, deal_blocks(store, positions, everything, goals, self.block_km, self.seed)))


def deal_blocks(
    store: Store, positions: Positions, rows: np.ndarray, goals: Sequence[float], block_km: float, seed: int | str
) -> list[np.ndarray]:
    """Deal out the cells of a grid, large ones first, each to the part that lacks its classes most.

    Args:
        store: the patches.
        positions: of all its patches.
        rows: int64 ``[n]``, the patches that are dealt out.
        goals: the share of each part, with a sum of 1.
        block_km: side of the cells, in km.
        seed: picks the draw.

    Returns:
        The patches of each part, int64.
    """
    of_block = _blocks(positions, block_km, rows.tolist())
    names = hash_order([f"{row}_{column}" for row, column in of_block], seed)
    cells = [list(of_block.values())[index] for index in names]
    cells.sort(key=lambda members: -len(members).bit_length())  # keeps the order by hash among those of similar size
    classes = _classes(store)
    totals = classes[rows].sum(0, dtype=np.int64).clip(1)
    have = [[0.0] * len(totals) for _ in goals]
    chosen: list[list[int]] = [[] for _ in goals]
    for members in cells:
        share = (classes[members].sum(0, dtype=np.int64) / totals).tolist()
        # By how much the chi-squared distance between shares and goals grows; fsum is exact on any machine.
        costs = [
            math.fsum(x * (x + 2 * (h - goal)) / goal for x, h in zip(share, of_part, strict=True))
            for goal, of_part in zip(goals, have, strict=True)
        ]
        part = costs.index(min(costs))
        have[part] = [h + x for h, x in zip(have[part], share, strict=True)]
        chosen[part] += members
    return [np.array(members, dtype=np.int64) for members in chosen]


def keep_apart(
    chosen: dict[str, np.ndarray], positions: Positions, buffer_m: float, name: str
) -> dict[str, np.ndarray]:
    """Leave out of train and val what lies within so many metres of another part; a warning counts it.

    Raises:
        UserError: when a part is left without a patch.
    """
    before = len(chosen["train"]) + len(chosen["val"])
    chosen["val"] = chosen["val"][~near(positions, chosen["val"], chosen["test"], buffer_m)]
    held_out = np.concatenate([chosen["val"], chosen["test"]])
    chosen["train"] = chosen["train"][~near(positions, chosen["train"], held_out, buffer_m)]
    if lost := before - len(chosen["train"]) - len(chosen["val"]):
        _log.warning(
            "%s split: %d of %d patches of train and val are left out: they lie within %g m of another part",
            name,
            lost,
            before,
            buffer_m,
        )
    require_all_parts(chosen, name)
    return chosen


def _blocks(
    positions: Positions, block_km: float, rows: Sequence[int] | None = None
) -> dict[tuple[int, int], list[int]]:
    """Return the patches of each cell of a grid, all or those of ``rows``, by the cell's row and column."""
    row = np.floor(positions.latitude * _KM_PER_DEGREE / block_km)
    column = np.floor(positions.longitude * _shrink(row, block_km) * _KM_PER_DEGREE / block_km)
    blocks: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for index in range(len(row)) if rows is None else rows:
        blocks[int(row[index]), int(column[index])].append(index)
    return blocks


def _shrink(row: np.ndarray | float, block_km: float) -> np.ndarray:
    """By how much degrees of longitude are shorter in a row of the grid than at the equator."""
    shrink: np.ndarray = np.cos(np.radians((row + 0.5) * block_km / _KM_PER_DEGREE))
    return shrink


def _bounds(cell: tuple[int, int], block_km: float) -> tuple[float, float, float, float]:
    row, column = cell
    height = block_km / _KM_PER_DEGREE
    width = float(height / _shrink(row, block_km))
    return column * width, row * height, (column + 1) * width, (row + 1) * height


def _classes(store: Store) -> np.ndarray:
    """Return 0 or 1 for each patch and class, ``[N, K]``; patches without a label are one more class."""
    if not store.multilabel:
        return one_hot(store.labels, len(store.class_names))
    without = ~store.labels.any(1)
    return np.column_stack([store.labels, without]) if without.any() else store.labels


def locate_all(store: Store) -> Positions:
    """Return where every patch lies.

    Raises:
        UserError: when patches have no place, and as :func:`~eurosat_cls.data.splits.earth.locate`.
    """
    places = [place for place in store.places if place is not None]
    if not places:
        raise UserError(
            f"a spatial split needs patches' coordinates, which {store.source} lacks: JPEG and PNG files carry none\n"
            "use GeoTIFFs, like EuroSAT's 13-band set, or EuroSAT's published split by longitude: official-spatial"
        )
    if lacking := [file for file, place in zip(store.files, store.places, strict=True) if place is None]:
        raise UserError(
            f"a spatial split needs the coordinates of every patch, and {len(lacking)} have none: {some(lacking)}; "
            "take these files out, or use another split"
        )
    return locate(places, store.files)
