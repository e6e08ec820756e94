"""A folder of images, one folder for each class."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from eurosat_cls.data.files.tree import is_clutter
from eurosat_cls.data.files.walk import is_image, walk, warn_of_others
from eurosat_cls.data.labelled_files import PART_NAMES, LabelledFiles, LabelledFilesModule
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import reading
from eurosat_cls.utils.text import class_label


class ImageFolder(LabelledFilesModule):
    """Images in ``root/<class>/``, or in folders below; the classes are the names of the folders, sorted.

    The files are JPEG, PNG, WebP or BMP images in red, green and blue or in grey, or TIFFs of any number of bands, all
    of one size, dtype and band count: those of the first file that can be read. They are only read. They are decoded
    once into a store in the cache folder (``EUROSAT_CACHE``), and read from there.

    Where ``root`` holds folders train, val (or valid, validation) and test, which hold the class folders, ``split:
    official`` uses that division. To divide such files in another way without meaning to is an error.

    Args:
        root: the folder.
        shared: see :class:`~eurosat_cls.data.labelled_files.LabelledFilesModule`.

    Raises:
        UserError: for a folder without class folders, a class without images, one class only, class folders that
            differ between train, val and test, links that leave ``root``, and for files that cannot be used.
    """

    kind = "folder"

    def __init__(self, root: str, **shared: Any) -> None:
        super().__init__(**shared)
        if self.task == "multilabel":
            raise UserError("data.task: a folder gives each file one class; several labels per file need a Table.")
        self.root = Path(root).expanduser().absolute()

    def way_to(self, split: Literal["official", "random"]) -> str:
        """Say what a person would have to change for this split to make sense."""
        if split == "official":
            return f"folders train, val and test in {self.root} that hold the class folders"
        return f"data.root: {self.root / 'train'} to divide the files of that folder alone"

    def find_files(self) -> LabelledFiles:
        """Find the images and their classes."""
        folders = _folders(self.root)
        parts = _parts(self.root, folders)
        # by "<class>" or "<part>/<class>"
        places = [f"{part}/{name}" for part in parts for name in _folders(self.root / part)] or folders
        everything = {place: list(walk(self.root, place)) for place in places}
        files = {place: [file for file in found if is_image(file)] for place, found in everything.items()}
        class_of = {place: class_label(place.rsplit("/", 1)[-1]) for place in places}
        _refuse_same_class(self.root, class_of)
        names = self._class_names(set(class_of.values()))
        place_of = {(place.split("/", 1)[0] if parts else "", name): place for place, name in class_of.items()}
        wanted = [(part, name) for part in parts or [""] for name in names]
        if empty := ["/".join(filter(None, key)) for key in wanted if not files.get(place_of.get(key, ""))]:
            raise UserError(f"{self.root}: class folder missing or without images: {', '.join(empty)}")
        label_of = {name: label for label, name in enumerate(names)}
        labels = {file: label_of[class_of[place]] for place in files for file in files[place]}
        _refuse_twins(self.root, labels)
        warn_of_others(self.root, [file for found in everything.values() for file in found if not is_image(file)])
        part_of = {file: parts[place.split("/", 1)[0]] for place in files for file in files[place]} if parts else None
        root = str(self.root)
        return LabelledFiles(self.root, labels, names, part_of, source=root, state="", identity=os.path.realpath(root))

    def _class_names(self, found: set[str]) -> list[str]:
        """Return the classes in label order."""
        names = sorted(found) if self.wanted_classes is None else list(self.wanted_classes)
        if strange := sorted(found - set(names)):
            raise UserError(f"{self.root} has class folders that data.class_names lacks: {', '.join(strange)}")
        if len(names) < 2:
            only = f"one class only, {names[0]}" if names else "no class folders"
            raise UserError(f"{self.root} holds {only}; it needs a folder of images for each of two classes or more")
        if self.task == "binary" and len(names) != 2:
            raise UserError(f"data.task: binary needs two classes, {self.root} has {len(names)}: {', '.join(names)}")
        return names


def _folders(path: Path) -> list[str]:
    """Return the names of the folders in ``path``, without hidden ones and clutter, sorted."""
    with reading(path):
        names = os.listdir(path)
    return sorted(name for name in names if not is_clutter((name,)) and (path / name).is_dir())


def _parts(root: Path, folders: Sequence[str]) -> dict[str, str]:
    """Return the part that each folder stands for, ``{"train": "train", "valid": "val", ...}``; empty for classes.

    One folder called train among others is a class of vehicles; two such names can only mean a division.
    """
    named = {name: PART_NAMES[name.lower()] for name in folders if name.lower() in PART_NAMES}
    if not named or (len(named) == 1 and (len(folders) > 1 or not _folders(root / folders[0]))):
        return {}
    if strangers := [name for name in folders if name not in named]:
        raise UserError(f"{root} holds {', '.join(named)} and beside them {', '.join(strangers)}: move that elsewhere")
    if len(set(named.values())) < len(named):
        raise UserError(f"{root} holds {', '.join(named)}, of which two mean the same part: keep one")
    if flat := [name for name in named if not _folders(root / name)]:
        raise UserError(f"{root} is divided into {', '.join(named)}, but {root / flat[0]} holds no class folders")
    return named


def _refuse_same_class(root: Path, class_of: Mapping[str, str]) -> None:
    """Refuse two folders side by side whose names are one name in other forms of Unicode."""
    seen: dict[str, str] = {}
    for place, name in class_of.items():
        key = place.rpartition("/")[0] + "/" + name
        if (twin := seen.setdefault(key, place)) != place:
            raise UserError(f"{root}: the folders {twin!r} and {place!r} have the same name: keep one of them")


def _refuse_twins(root: Path, files: Iterable[str]) -> None:
    """Refuse files that differ in their extension alone: one would be in train and its twin in test."""
    seen: dict[str, str] = {}
    for file in files:
        if (twin := seen.setdefault(os.path.splitext(file)[0], file)) != file:
            raise UserError(f"{root}: {twin} and {file} differ in their extension alone; keep one of them")
