"""What data sets of image files with labels have in common, wherever the labels come from."""

import hashlib
import logging
import os
import stat
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from eurosat_cls.data.batch import TaskName
from eurosat_cls.data.files.decode import decode_image
from eurosat_cls.data.files.folder import FolderSource
from eurosat_cls.data.files.layout import distinct_names, layout_of, plain_names
from eurosat_cls.data.files.tree import refuse_escape
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.data.patch import NoData
from eurosat_cls.data.splits import PARTS, Split, SplitMethod, split_by_part
from eurosat_cls.data.store.store import Store, open_or_build
from eurosat_cls.data.store.store_spec import Label, Recipe, store_name
from eurosat_cls.utils.errors import UserError

PART_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledFiles:
    """Image files below a folder, and their labels.

    Attributes:
        root: the folder.
        labels: the label of each file, by its path below ``root`` with forward slashes.
        class_names: the classes, in label order.
        parts: ``train``, ``val`` or ``test`` of each file that belongs to a part; None where the data set does not
            divide itself.
        source: where files and labels come from, for people.
        state: changes when anything else that decides the labels does.
        identity: tells data sets apart whose stores shall exist side by side.
    """

    root: Path
    labels: Mapping[str, Label]
    class_names: list[str]
    parts: Mapping[str, str] | None
    source: str
    state: str
    identity: str


class FileState(NamedTuple):
    """What tells that a file has changed: its size in bytes and its modification time in nanoseconds."""

    size: int
    modified: int


def file_states(root: Path, files: Iterable[str]) -> dict[str, FileState | None]:
    """Look at files below ``root`` without opening them; None stands for a missing one.

    Raises:
        UserError: for a link that leaves ``root``, and for what is no regular file.
    """
    inside, seen = root.resolve(), set[str]()
    states: dict[str, FileState | None] = {}
    for file in files:
        path = os.path.join(root, file)
        try:
            if (folder := os.path.dirname(path)) not in seen:
                refuse_escape(Path(folder), root, inside)
                seen.add(folder)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                refuse_escape(Path(path), root, inside)
                status = os.stat(path)
        except FileNotFoundError:
            states[file] = None
            continue
        except (OSError, ValueError) as error:  # a name that no file can have
            raise UserError(f"cannot look at {path!r}: {getattr(error, 'strerror', None) or error}") from error
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path} is not a regular file: remove it")
        states[file] = FileState(status.st_size, status.st_mtime_ns)
    return states


class LabelledFilesModule(PatchDataModule):
    """Base of data modules whose patches are image files.

    A subclass says what the files are (:meth:`find_files`).

    Args:
        bands: bands to serve, in this order, by their names; None for all, ``rgb`` for B04, B03 and B02.
        file_bands: names of the channels in the files, in order. By default the descriptions in a TIFF if they are
            names of Sentinel-2 bands; else B04, B03 and B02 in 8-bit images of red, green and blue; else ``band_1``,
            ``band_2`` and so on.
        task: ``multiclass``, ``binary`` for two classes of which the second is the positive one, or, in a table alone,
            ``multilabel``.
        class_names: the classes in label order; any other is an error. By default sorted.
        split: ``random`` (stratified, by a hash of the file names), ``official`` (the data set's own division),
            ``spatial`` (for GeoTIFFs), split lists, or a method of :mod:`eurosat_cls.data.splits`.
        on_error: ``raise`` an error that names every file that cannot be read, or ``skip`` and count them.
        nodata: whether values in a TIFF that stand for missing ones (by its tag, NaN, or -9999 far below all others)
            are an ``error``, or ``fill`` gives them the mean of their band in the patch.
        shared: the settings that all data modules have, see :class:`~eurosat_cls.data.module.PatchDataModule`.

    Attributes:
        kind: start of the names of its stores.
    """

    kind: str

    def __init__(
        self,
        *,
        bands: Literal["rgb", "all"] | list[str] | None = None,
        file_bands: list[str] | None = None,
        task: TaskName = "multiclass",
        class_names: list[str] | None = None,
        split: SplitMethod | str = "random",
        on_error: Literal["raise", "skip"] = "raise",
        nodata: NoData = "error",
        **shared: Any,
    ) -> None:
        super().__init__(bands=plain_names("data.bands", bands), split=split, **shared)
        self.file_bands = plain_names("data.file_bands", file_bands)
        self.task, self.on_error, self.nodata = task, on_error, nodata
        self.wanted_classes = distinct_names(class_names)

    @abstractmethod
    def find_files(self) -> LabelledFiles:
        """Find the files and their labels, after checking them."""

    @abstractmethod
    def way_to(self, split: Literal["official", "random"]) -> str:
        """Say what a person would have to change for this split to make sense."""

    @cached_property
    def content(self) -> LabelledFiles:
        """The files and their labels."""
        return self.find_files()

    def named_split(self, name: str) -> SplitMethod:
        """Return the split method that a word in ``split`` means; ``official`` is the data set's own division."""
        if name == "official":
            return _OwnDivision(self.content.parts or {})
        return super().named_split(name)

    def open_store(self) -> Store:
        """Open the decoded files, decoding them first if need be."""
        content = self.content
        self._check_division(content)
        states = file_states(content.root, content.labels)
        lines = [content.state, *(f"{file}\0{label}\0{states[file]}" for file, label in sorted(content.labels.items()))]
        lines += ["nodata filled"] if self.nodata == "fill" else []
        read = FolderSource(content.root, content.class_names).read
        bands, shape, dtype = layout_of(read, sorted(content.labels), self.file_bands, self.nodata)
        decode = partial(decode_image, shape=shape, dtype=dtype, bands=bands, nodata=self.nodata)
        recipe = Recipe(
            name=store_name(self.kind, content.identity),
            fingerprint=hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest(),
            class_names=content.class_names,
            bands=bands,
            shape=shape,
            dtype=dtype,
            source=content.source,
            files=lambda: list(content.labels.items()),
            decode=lambda file: decode(read(file)),
            multilabel=self.task == "multilabel",
        )
        return open_or_build(recipe, on_error=self.on_error)

    def _check_division(self, content: LabelledFiles) -> None:
        """Refuse a split that contradicts how the data set is divided, before anything is decoded."""
        divided, wanted = content.parts is not None, self.split_source
        if wanted == "official" and not divided:
            raise UserError(f"data.split: official needs {self.way_to('official')}")
        if wanted == "random" and divided:
            raise UserError(
                f"{content.source} has a division of its own: set data.split: official to use it, or "
                f"{self.way_to('random')}"
            )
        if wanted == "official":
            there = set((content.parts or {}).values())
            if missing := [part for part in PARTS if part not in there]:
                raise UserError(
                    f"{content.source} has no {' and no '.join(missing)} part: data.split: official needs train, val "
                    "and test"
                )
        elif divided:
            _log.warning("the division that %s has of its own is not used, as data.split is %s", content.source, wanted)


class _OwnDivision(SplitMethod):
    """The parts that the data set says its files belong to."""

    def __init__(self, parts: Mapping[str, str]) -> None:
        self.parts = parts

    def divide(self, store: Store) -> Split:
        """Divide the patches of ``store``; a file without a part belongs to none."""
        return split_by_part(store.files, [self.parts.get(file) for file in store.files])
