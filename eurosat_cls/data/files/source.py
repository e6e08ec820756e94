"""Where patches come from: a zip archive or a folder, in the layouts in which EuroSAT is published."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eurosat_cls.data.files.archive import ZipSource
from eurosat_cls.data.files.folder import FolderSource
from eurosat_cls.data.files.tree import JPEG_SUFFIXES, TIFF_SUFFIXES, Source
from eurosat_cls.utils.errors import UserError


@dataclass(frozen=True)
class Archive:
    """One of EuroSAT's two sets: how it is published, and how it may lie on a disk.

    Attributes:
        what: the patches in it, for messages.
        name: of the published archive.
        url: its address.
        md5: its checksum, hexadecimal.
        limit: most bytes to accept as this file.
        pattern: of the names that an archive may have, e.g. a part of the published one.
        trees: where the class folders are in the unpacked archive.
        homes: folders in which the archive may be or may have been unpacked.
        suffixes: extensions of the patches.
    """

    what: str
    name: str
    url: str
    md5: str
    limit: int
    pattern: str
    trees: tuple[str, ...]
    homes: tuple[str, ...]
    suffixes: tuple[str, ...]


# Helber et al., MIT licence; addresses and checksums as in the datasets/eurosat.py of torchvision and of torchgeo
_HOST = "https://huggingface.co/datasets/torchgeo/eurosat/resolve"
EUROSAT_RGB = Archive(
    what="The EuroSAT RGB images",
    name="EuroSAT.zip",
    url=f"{_HOST}/c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
    md5="c8fa014336c82ac7804f0398fcb19387",
    limit=200 * 10**6,
    pattern="EuroSAT.zip",
    trees=("2750",),
    homes=("EuroSAT", "eurosat"),
    suffixes=JPEG_SUFFIXES,
)
EUROSAT_MS = Archive(
    what="The 13-band EuroSAT patches (2.1 GB)",
    name="EuroSATallBands.zip",
    url=f"{_HOST}/1ce6f1bfb56db63fd91b6ecc466ea67f2509774c/EuroSATallBands.zip",
    md5="5ac12b3b2557aa56e1826e981e8e200e",
    limit=3 * 10**9,
    pattern="EuroSATallBands*.zip",
    trees=("ds/images/remote_sensing/otherDatasets/sentinel_2/tif", "tif"),
    homes=("EuroSATallBands", "EuroSAT_MS", "EuroSAT", "eurosat"),
    suffixes=TIFF_SUFFIXES,
)


def find_eurosat(root: Path, class_names: Sequence[str], published: Archive) -> Source | None:
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


def _archive_in(home: Path, published: Archive) -> Path | None:
    if (path := home / published.name).is_file():
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
