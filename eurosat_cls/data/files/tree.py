"""A class-folder tree (``<Class>/<Class>_<n>.jpg``) and its rules, the same for archives and folders."""

import os
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from eurosat_cls.utils.errors import UserError

MAX_FILE_BYTES = 16 * 2**20  # a patch of EuroSAT has 3 kB (JPEG) or 107 kB (13 bands)
JPEG_SUFFIXES = (".jpg", ".jpeg")
TIFF_SUFFIXES = (".tif", ".tiff")

_CLUTTER = {"__macosx", "thumbs.db", "desktop.ini"}


class Source(ABC):
    """A set of labelled files.

    Args:
        path: the archive, or the folder that directly contains the class folders.
        class_names: names of the class folders; a file's label is the position of its folder here.
        suffixes: extensions of the patches, lower case; other files are counted in ``ignored``.
    """

    def __init__(self, path: Path, class_names: Sequence[str], suffixes: Sequence[str] = JPEG_SUFFIXES) -> None:
        self.path = Path(path).absolute()
        self.class_names = list(class_names)
        self.suffixes = tuple(suffixes)
        self.ignored = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a short text that changes when the source changes; cheap, opens no patch."""

    @abstractmethod
    def files(self) -> list[tuple[str, int]]:
        """Return pairs such as ``("AnnualCrop/AnnualCrop_1.jpg", 0)`` in any order, after checking the source."""

    @abstractmethod
    def read(self, file: str) -> bytes:
        """Return the bytes of one of ``files``. Safe to call from several threads."""

    def close(self) -> None:  # noqa: B027
        """Let go of open files."""


def is_clutter(parts: Sequence[str]) -> bool:
    """Whether a path, as its parts, is something that desktops and archivers leave behind (``.DS_Store``, ...)."""
    return parts[-1].startswith(".") or any(part.lower() in _CLUTTER for part in parts)


def stem_of(file: str) -> str:
    """Return the base name without folder and extension in Unicode's NFC: ``"River/River_7.jpg" -> "River_7"``."""
    return unicodedata.normalize("NFC", os.path.splitext(file.rsplit("/", 1)[-1])[0])


def refuse_escape(path: Path, root: Path, inside: Path) -> None:
    """Raise ``UserError`` for a link below ``root`` that leaves ``inside``, which is the resolved ``root``."""
    if not path.resolve().is_relative_to(inside):
        raise UserError(f"refused, {path} is a link that leaves {root}; put the files there instead")


def checked(path: Path, files: Sequence[str], class_names: Sequence[str], found_instead: str) -> list[tuple[str, int]]:
    """Pair each file with its label after checking that the tree at ``path`` is whole.

    ``files`` are names like ``"AnnualCrop/AnnualCrop_1.jpg"``, each below one of the classes; where there are none, the
    message adds what was ``found_instead``.

    Raises:
        UserError: for a class without files, and for two files of one name.
    """
    counts = Counter(file.split("/", 1)[0] for file in files)
    if not counts:
        raise UserError(f"{path}: no patches in class folders such as {class_names[0]}/{found_instead}")
    if missing := [name for name in class_names if not counts[name]]:
        raise UserError(f"{path}: class folder missing or empty: {', '.join(missing)}")
    stems = Counter(os.path.splitext(file)[0] for file in files)
    if twice := [stem for stem, count in stems.items() if count > 1]:
        raise UserError(f"{path}: {len(twice)} file names occur more than once, such as {twice[0]}")
    label_of = {name: label for label, name in enumerate(class_names)}
    return [(file, label_of[file.split("/", 1)[0]]) for file in files]
