"""What a patch store is made of."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eurosat_cls.data.files.tree import Source
from eurosat_cls.data.patch import Patch

Label = int | tuple[int, ...]  # the class, or the classes that are there


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a store holds, and how to make it.

    Attributes:
        name: folder name without the key; stores of one name replace each other when the source changes.
        fingerprint: changes when the source changes.
        class_names: the classes, in label order.
        bands: the channels, in order.
        shape: ``(C, H, W)`` of every patch.
        dtype: numpy name of the sensor's dtype, e.g. ``"uint8"``, ``"uint16"``.
        source: where the patches come from, for people.
        files: returns ``(file, label)`` pairs; called only when the store is built.
        decode: returns the ``[C, H, W]`` patch of a file, as :class:`Patch` where its place is known, or raises
            ``UserError``; called from several threads.
        multilabel: whether labels are tuples of the classes that are there, possibly empty.
    """

    name: str
    fingerprint: str
    class_names: Sequence[str]
    bands: Sequence[str]
    shape: tuple[int, int, int]
    dtype: str
    source: str
    files: Callable[[], Sequence[tuple[str, Label]]]
    decode: Callable[[str], np.ndarray | Patch]
    multilabel: bool = False

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that stand for the source's state and the array's layout."""
        layout = [self.fingerprint, list(self.class_names), list(self.bands), list(self.shape), self.dtype]
        layout += ["multilabel"] if self.multilabel else []
        return hashlib.sha256(json.dumps(layout).encode()).hexdigest()[:16]

    @property
    def row_bytes(self) -> int:
        """Bytes of one patch."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


def store_name(kind: str, place: Path | str) -> str:
    """Return the name of a store: copies of a data set in other places do not replace each other's."""
    return f"{kind}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:8]}"


def recipe_for(
    kind: str,
    source: Source,
    bands: Sequence[str],
    shape: tuple[int, int, int],
    dtype: str,
    decode: Callable[[bytes], np.ndarray | Patch],
) -> Recipe:
    """Return the recipe for a store of an archive or folder.

    Args:
        kind: start of the store's name, see :func:`store_name`.
        source: the archive or folder.
        bands: the channels, in order.
        shape: ``(C, H, W)`` of every patch.
        dtype: numpy name of the sensor's dtype.
        decode: turns a file's bytes into a ``[C, H, W]`` array, or raises ``UserError``.
    """
    return Recipe(
        name=store_name(kind, source.path.resolve()),
        fingerprint=source.fingerprint(),
        class_names=list(source.class_names),
        bands=list(bands),
        shape=shape,
        dtype=dtype,
        source=str(source.path),
        files=source.files,
        decode=lambda file: decode(source.read(file)),
    )
