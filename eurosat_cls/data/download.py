"""Archives that EuroSAT's hosts publish, and how to get at one: from disk, else from the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eurosat_cls.data.cache import cache_folder
from eurosat_cls.data.source import FolderSource, ZipSource, find_eurosat_rgb
from eurosat_cls.data.transfer import fetch
from eurosat_cls.errors import UserError

__all__ = ["EUROSAT_RGB", "Archive", "fetch", "locate_or_download"]


@dataclass(frozen=True)
class Archive:
    """A published file.

    Attributes:
        name: its file name.
        url: its address.
        md5: its checksum, hexadecimal.
        limit: most bytes to accept as this file.
    """

    name: str
    url: str
    md5: str
    limit: int


# Helber et al., MIT licence; address and checksum as in torchvision's datasets/eurosat.py
EUROSAT_RGB = Archive(
    name="EuroSAT.zip",
    url="https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
    md5="c8fa014336c82ac7804f0398fcb19387",
    limit=200 * 10**6,
)


def locate_or_download(
    root: Path, class_names: Sequence[str], cache: Path | None = None, archive: Archive = EUROSAT_RGB
) -> ZipSource | FolderSource:
    """Return the RGB set: below ``root``, else from an earlier download, else downloaded to the cache.

    Args:
        root: folder that may hold the archive or its tree, or the archive itself; only read.
        class_names: the classes, in label order.
        cache: folder whose ``downloads`` takes the archive; None means `cache_folder`.
        archive: what to download.

    Raises:
        UserError: of three lines, when the set is neither on disk nor to be had.
    """
    if (source := find_eurosat_rgb(root, class_names)) is not None:
        return source
    destination = (cache_folder() if cache is None else Path(cache).absolute()) / "downloads" / archive.name
    if not destination.exists():
        try:
            fetch(archive.url, destination, archive.md5, archive.limit)
        except UserError as error:
            missing = "" if root.exists() else ", which does not exist"
            raise UserError(
                f"The EuroSAT RGB images are missing, and the download failed: {error}\n"
                f"Looked in {root.absolute()}{missing} (for EuroSAT.zip, EuroSAT/2750, 2750 or the class folders; in "
                f"EuroSAT/ and eurosat/ too) and for {destination}\n"
                f"Either get {archive.url} by hand and set data.root or EUROSAT_ROOT to the folder with it or its "
                "extracted tree, or train on demo data: --config configs/demo.yaml"
            ) from error
    return ZipSource(destination, class_names)
