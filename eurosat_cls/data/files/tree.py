"""Rules for a class-folder tree (``<Class>/<Class>_<n>.jpg``), the same for archives and folders."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from eurosat_cls.utils.errors import UserError

MAX_FILE_BYTES = 16 * 2**20  # a patch of EuroSAT has 3 kB (JPEG) or 107 kB (13 bands)
JPEG_SUFFIXES = (".jpg", ".jpeg")
TIFF_SUFFIXES = (".tif", ".tiff")

_CLUTTER = {"__macosx", "thumbs.db", "desktop.ini"}


def is_clutter(parts: Sequence[str]) -> bool:
    """Whether a path, as its parts, is something that desktops and archivers leave behind (``.DS_Store``, ...)."""
    return parts[-1].startswith(".") or any(part.lower() in _CLUTTER for part in parts)


def stem_of(file: str) -> str:
    """Return the base name without folder and extension: ``"River/River_7.jpg" -> "River_7"``."""
    return os.path.splitext(file.rsplit("/", 1)[-1])[0]


def checked(path: Path, files: Sequence[str], class_names: Sequence[str], found_instead: str) -> list[tuple[str, int]]:
    """Pair each file with its label after checking that the tree is whole.

    Args:
        path: the archive or folder, for messages.
        files: names like ``"AnnualCrop/AnnualCrop_1.jpg"``, each below one of ``class_names``.
        class_names: the classes; a file's label is the position of its folder here.
        found_instead: a remark for the case that nothing was found, may be empty.

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
