"""Where patches come from: a zip archive or a folder, in the layouts in which EuroSAT is published."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from eurosat_cls.data.archive import ZipSource
from eurosat_cls.data.folder import FolderSource
from eurosat_cls.errors import UserError

__all__ = ["FolderSource", "Source", "ZipSource", "find_eurosat_rgb", "rgb_places"]


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


def rgb_places(root: Path) -> list[Path]:
    """Return the places where ``find_eurosat_rgb`` looks, in order: archives (``.zip``), then class-folder trees."""
    if root.is_file():
        return [root]
    homes = [root, root / "EuroSAT", root / "eurosat"]
    return [home / "EuroSAT.zip" for home in homes] + [home / "2750" for home in homes] + homes


def find_eurosat_rgb(root: Path, class_names: Sequence[str]) -> ZipSource | FolderSource | None:
    """Find the RGB set below ``root``, which may also be the archive itself; None when it is not there.

    Only looks: whether what is found is whole shows when it is read.
    """
    try:
        for place in rgb_places(root):
            if place.is_file():
                return ZipSource(place, class_names)
            if any((place / name).is_dir() for name in class_names):
                return FolderSource(place, class_names)
    except PermissionError as error:
        raise UserError(f"cannot look into {root}: {error.strerror}") from error
    return None
