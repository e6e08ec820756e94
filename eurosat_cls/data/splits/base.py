"""What every way of splitting has in common."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import splitext
from unicodedata import normalize

import numpy as np

from eurosat_cls.data.files.tree import stem_of
from eurosat_cls.data.store.store import Store, class_counts
from eurosat_cls.utils.configurable import Configurable
from eurosat_cls.utils.errors import UserError

PARTS = ("train", "val", "test")
_WAYS_OUT = {"spatial": "; try blocks, another seed, smaller blocks (block_km) or a smaller buffer (buffer_m)"}


@dataclass(frozen=True)
class Split:
    """A division of a store's patches.

    Attributes:
        train: int64 positions in the store, ascending.
        val: likewise.
        test: likewise.
        sha256: over the sorted lines ``part<TAB>name``, where the name is the file's stem, or its path where stems
            occur twice in the store; the same for the same division, whatever the files' order or extension.
        method: how it was made: ``"random"``, ``"lists"``, ``"official"``, ``"official-spatial"`` or ``"spatial"``.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    sha256: str
    method: str

    def parts(self) -> dict[str, np.ndarray]:
        """Return ``{"train": ..., "val": ..., "test": ...}``."""
        return {"train": self.train, "val": self.val, "test": self.test}


class SplitMethod(Configurable, ABC):
    """A way to divide a store."""

    @abstractmethod
    def divide(self, store: Store) -> Split:
        """Divide the patches of ``store``; a patch may belong to no part.

        Raises:
            UserError: when the store cannot be divided in this way.
        """


def check_fractions(fractions: Sequence[float]) -> None:
    """Raise ``UserError`` unless these are three positive numbers that sum to at most 1."""
    valid = len(fractions) == 3 and all(0 < fraction < 1 for fraction in fractions)  # false for NaN too
    if not valid or sum(fractions) > 1 + 1e-6:
        raise UserError(f"split fractions are {list(fractions)}, expected three positive numbers that sum to at most 1")


def make_split(files: Sequence[str], chosen: Mapping[str, Sequence[int] | np.ndarray], method: str) -> Split:
    """Make a split of these positions (``chosen["train"]``, ...) in ``files``."""
    names = _distinct_names(files)
    lines = sorted(f"{part}\t{names[index]}" for part in PARTS for index in chosen[part])
    train, val, test = (np.sort(np.array(chosen[part], dtype=np.int64)) for part in PARTS)
    sha256 = hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
    return Split(train, val, test, sha256, method)


def split_by_part(files: Sequence[str], parts: Sequence[str | None], method: str = "official") -> Split:
    """Make a split from the name of the part that each file belongs to; None for a file that belongs to no part.

    Raises:
        UserError: for another part name, naming the file, and when a part gets no file.

    >>> split = split_by_part(["a.tif", "b.tif", "c.tif", "d.tif"], ["test", "train", None, "val"])
    >>> split.train, split.val, split.test
    (array([1]), array([3]), array([0]))
    """
    assert len(files) == len(parts)
    chosen: dict[str, list[int]] = {part: [] for part in PARTS}
    for index, part in enumerate(parts):
        if part is None:
            continue
        if part not in chosen:
            raise UserError(f"{files[index]} is in the part {part!r}, expected train, val or test")
        chosen[part].append(index)
    require_all_parts(chosen, method)
    return make_split(files, chosen, method)


def require_all_parts(chosen: Mapping[str, Sequence[int] | np.ndarray], method: str) -> None:
    """Raise ``UserError`` when a part has no patch."""
    if empty := [part for part in PARTS if not len(chosen[part])]:
        raise UserError(f"the {method} split leaves no patch in {' and '.join(empty)}{_WAYS_OUT.get(method, '')}")


def check_classes(split: Split, labels: np.ndarray, class_names: Sequence[str]) -> None:
    """Raise ``UserError`` unless there are two classes or more, and every part has patches of each.

    Where ``labels`` are ``[N, K]`` of 0 and 1 a single class is enough.
    """
    if labels.ndim == 1 and len(class_names) < 2:
        raise UserError(f"there is only one class, {', '.join(class_names)}: at least two classes are needed")
    require_all_parts(split.parts(), split.method)
    for part, indices in split.parts().items():
        counts = class_counts(labels[indices], len(class_names))
        if missing := [name for name, count in zip(class_names, counts, strict=True) if not count]:
            way_out = _WAYS_OUT.get(split.method, "")
            raise UserError(f"the {part} part of the split has no patch of class {', '.join(missing)}{way_out}")


def hash_order(files: Sequence[str], seed: int | str) -> np.ndarray:
    """Order files by the SHA-256 of ``"<seed>:<stem>"``, which looks random and is the same on every machine.

    Returns:
        ``[N]`` int64, the positions of the files in that order.
    """
    digests = [hashlib.sha256(f"{seed}:{stem_of(file)}".encode(errors="surrogateescape")).digest() for file in files]
    order = sorted(range(len(files)), key=lambda index: (digests[index], stem_of(files[index]), files[index]))
    return np.array(order, dtype=np.int64)


def strata(labels: np.ndarray) -> np.ndarray:
    """Return the stratum of each patch, ``[N]`` int64, for draws that keep the classes' shares.

    Args:
        labels: ``[N]`` integers, themselves the strata; or ``[N, K]`` of 0 and 1, where a patch belongs to the rarest
            of its classes, and without any to a stratum of its own, ``K``.

    >>> strata(np.array([[1, 1], [1, 0], [0, 0]]))
    array([1, 0, 2])
    """
    if labels.ndim == 1:
        return labels.astype(np.int64)
    by_rarity = np.argsort(labels.sum(0, dtype=np.int64), kind="stable")
    present = labels[:, by_rarity] > 0
    result: np.ndarray = np.where(present.any(1), by_rarity[present.argmax(1)], labels.shape[1])
    return result


def one_hot(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Turn ``[n]`` integers into ``[n, K]`` uint8 of 0 and 1."""
    hot: np.ndarray = labels[:, None] == np.arange(num_classes)
    return hot.astype(np.uint8)


def _distinct_names(files: Sequence[str]) -> list[str]:
    """Name each file as shortly as tells them all apart: by stem, by path without extension, or in full."""
    for shorten in (stem_of, lambda file: normalize("NFC", splitext(file)[0])):
        names = [shorten(file) for file in files]
        if len(set(names)) == len(files):
            return names
    return list(files)
