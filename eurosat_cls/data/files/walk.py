"""Find image files, by the same rules for every data set: no hidden files, no clutter, no links that lead elsewhere."""

import glob
import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from eurosat_cls.data.files.tree import is_clutter, refuse_escape
from eurosat_cls.utils.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp")
_log = logging.getLogger(__name__)


def walk(root: Path, place: str = ".") -> Iterator[str]:
    """Yield the paths below ``root`` of the files in ``place`` and in folders below it, without hidden ones.

    Raises:
        UserError: for a folder that cannot be read, and for a link to a folder.
    """

    def refuse(error: OSError) -> None:
        raise UserError(f"cannot read the folder {error.filename}: {error.strerror}") from error

    for folder, folders, names in os.walk(root / place, onerror=refuse):
        folders[:] = [name for name in folders if not is_clutter((name,))]
        if links := [name for name in folders if os.path.islink(os.path.join(folder, name))]:
            raise UserError(f"refused, {os.path.join(folder, links[0])} is a link to a folder; put the files there")
        yield from ((Path(folder) / name).relative_to(root).as_posix() for name in names if not is_clutter((name,)))


def is_image(name: str) -> bool:
    """Whether a file is called like an image."""
    return name.lower().endswith(SUFFIXES)


def warn_of_others(root: Path, others: Sequence[str]) -> None:
    """Tell that files beside the images are left out."""
    if kinds := Counter(os.path.splitext(file)[1] or "without extension" for file in others):
        some = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(3))
        _log.warning("%s: %d files that are no images are left out (%s)", root, len(others), some)


def spelt_on_disk(root: Path, file: str) -> str:
    """Return the path below ``root`` of a file that may be written in another of Unicode's forms there."""
    if not file.isascii() and not os.path.lexists(root / file):
        forms = (unicodedata.normalize(form, file) for form in ("NFC", "NFD"))
        return next((form for form in forms if os.path.lexists(root / form)), file)
    return file


class ImageSource(NamedTuple):
    """Images that were named together: those of a folder, those that a pattern fits, or single files.

    Attributes:
        name: a folder or a pattern as it was given, or the first of single files.
        files: the path of each file, by what it is called.
    """

    name: str
    files: dict[str, Path]

    @property
    def identity(self) -> str:
        """What tells it from other sources: where it is, or which single files they are."""
        single = self.name in self.files
        return "\0".join(os.path.realpath(name) for name in (self.files if single else [self.name]))


def find_images(given: Sequence[str]) -> list[ImageSource]:
    """Find the images that folders, patterns such as ``new/*.tif``, and the names of single files stand for.

    Files of a folder are called by their path below it where nothing else is given, any other by its path from here.

    Raises:
        UserError: for what is not there, is no image, or holds none; for links that lead elsewhere.
    """
    sources: list[ImageSource] = []
    single: dict[str, Path] = {}
    for name in given:
        path = Path(name).expanduser()
        if path.is_dir():
            sources.append(_of_folder(name, path, name if len(given) > 1 else ""))
        elif path.is_file():
            if not is_image(name):
                raise UserError(f"--images {name}: this is no image ({', '.join(SUFFIXES)}).")
            single[name] = path
        elif glob.has_magic(name) and (found := sorted(glob.glob(str(path), recursive=True))):
            sources.append(_of_pattern(name, found))
        else:
            raise UserError(f"--images {name}: there is no such folder or file.")
    if single:
        sources.append(ImageSource(next(iter(single)), single))
    return sources


def _of_folder(name: str, root: Path, prefix: str) -> ImageSource:
    everything = sorted(walk(root))
    images = [file for file in everything if is_image(file)]
    if not images:
        raise UserError(f"--images {name}: no images in it (looked for {', '.join(SUFFIXES)}).")
    warn_of_others(root, [file for file in everything if not is_image(file)])
    for file in images:
        if (root / file).is_symlink():
            refuse_escape(root / file, root, root.resolve())
    return ImageSource(name, {os.path.join(prefix, file): root / file for file in images})


def _of_pattern(name: str, found: Sequence[str]) -> ImageSource:
    files: dict[str, Path] = {}
    for path in found:
        if os.path.isdir(path):
            files |= _of_folder(path, Path(path), path).files
        elif is_image(path) and not is_clutter((os.path.basename(path),)):
            files[path] = Path(path)
    if not files:
        raise UserError(f"--images {name}: no images fit the pattern (looked for {', '.join(SUFFIXES)}).")
    return ImageSource(name, files)
