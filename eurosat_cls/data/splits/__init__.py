"""Divide the patches of a store into train, val and test, and take subsets of train."""

from eurosat_cls.data.splits.base import PARTS, Split, SplitMethod, check_classes, split_by_part
from eurosat_cls.data.splits.folds import FoldSplit
from eurosat_cls.data.splits.lists import SplitLists, read_split_lists
from eurosat_cls.data.splits.official import OfficialSplit
from eurosat_cls.data.splits.random import RandomSplit, random_split
from eurosat_cls.data.splits.spatial import SpatialSplit
from eurosat_cls.data.splits.subset import spread, take_subset

__all__ = [
    "PARTS",
    "FoldSplit",
    "OfficialSplit",
    "RandomSplit",
    "SpatialSplit",
    "Split",
    "SplitLists",
    "SplitMethod",
    "check_classes",
    "random_split",
    "read_split_lists",
    "split_by_part",
    "spread",
    "take_subset",
]
