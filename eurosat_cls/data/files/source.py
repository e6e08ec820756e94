"""Where patches come from: a zip archive or a folder, in the layouts in which EuroSAT is published."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from eurosat_cls.data.files.archive import ZipSource
from eurosat_cls.data.files.folder import FolderSource
from eurosat_cls.data.files.tree import JPEG_SUFFIXES, TIFF_SUFFIXES
from eurosat_cls.utils.errors import UserError

__all__ = ["MS_SET", "RGB_SET", "FolderSource", "Published", "Source", "ZipSource", "find_eurosat"]


class Source(Protocol):
    """A set of labelled files. ``ZipSource`` and ``FolderSource`` are the two kinds."""

    path: Path
    class_names: list[str]
    ignored: int

    def fingerprint(self) -> str:
        """Return a short text that changes when the source changes; cheap, opens no patch."""

    def files(self) -> list[tuple[str, int]]:
        """Return ``("<Class>/<file>", label)`` pairs in any order, after checking the source."""

    def read(self, file: str) -> bytes:
        """Return the bytes of one of ``files``. Safe to call from several threads."""

    def close(self) -> None:
        """Let go of open files."""


@dataclass(frozen=True)
class Published:
    """How one of EuroSAT's two sets lies on a disk.

    Attributes:
        archive: name of the published archive.
        pattern: of the names that an archive may have, e.g. a part of the published one.
        trees: where the class folders are in the unpacked archive.
        homes: folders in which the archive may be or may have been unpacked.
        suffixes: extensions of the patches.
    """

    archive: str
    pattern: str
    trees: tuple[str, ...]
    homes: tuple[str, ...]
    suffixes: tuple[str, ...]


_TIF_TREE = "ds/images/remote_sensing/otherDatasets/sentinel_2/tif"
RGB_SET = Published("EuroSAT.zip", "EuroSAT.zip", ("2750",), ("EuroSAT", "eurosat"), JPEG_SUFFIXES)
MS_SET = Published(
    "EuroSATallBands.zip",
    "EuroSATallBands*.zip",
    (_TIF_TREE, "tif"),
    ("EuroSATallBands", "EuroSAT_MS", "EuroSAT", "eurosat"),
    TIFF_SUFFIXES,
)


def find_eurosat(root: Path, class_names: Sequence[str], published: Published) -> ZipSource | FolderSource | None:
    """Find one of EuroSAT's sets below ``root``, which may also be its archive; None when it is not there.

    Archives come before unpacked trees, and ``root`` before the folders in it. Only looks: whether what is found is
    whole shows when it is read.

    Raises:
        UserError: when a folder may not be looked into, or holds several archives but not the published one.
    """
    if root.is_file():
        return ZipSource(root, class_names, published.suffixes)
    homes = [root, *(root / home for home in published.homes)]
    try:
        for home in homes:
            if (archive := _archive_in(home, published)) is not None:
                return ZipSource(archive, class_names, published.suffixes)
        for place in [home / tree for home in homes for tree in published.trees] + homes:
            if any(_has_patches(place / name, published.suffixes) for name in class_names):
                return FolderSource(place, class_names, published.suffixes)
    except PermissionError as error:
        raise UserError(f"cannot look into {root}: {error.strerror}") from error
    return None


def _archive_in(home: Path, published: Published) -> Path | None:
    if (path := home / published.archive).is_file():
        return path
    found = sorted(path for path in home.glob(published.pattern) if path.is_file())
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise UserError(f"{home} holds {len(found)} archives, {names}: set data.root to the one to use")
    return found[0] if found else None


def _has_patches(folder: Path, suffixes: tuple[str, ...]) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.lower().endswith(suffixes) for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return False
