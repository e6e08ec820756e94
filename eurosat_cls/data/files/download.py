"""Archives that EuroSAT's hosts publish, and how to get at one: from disk, else from the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eurosat_cls.data.files.http_download import fetch
from eurosat_cls.data.files.source import MS_SET, RGB_SET, FolderSource, Published, ZipSource, find_eurosat
from eurosat_cls.utils.cache import cache_folder
from eurosat_cls.utils.errors import UserError

__all__ = ["EUROSAT_MS", "EUROSAT_RGB", "Archive", "fetch", "locate_or_download"]


@dataclass(frozen=True)
class Archive:
    """A published archive of patches.

    Attributes:
        what: the patches in it, for messages.
        url: its address.
        md5: its checksum, hexadecimal.
        limit: most bytes to accept as this file.
        published: how it lies on a disk.
    """

    what: str
    url: str
    md5: str
    limit: int
    published: Published


# Helber et al., MIT licence; addresses and checksums as in the datasets/eurosat.py of torchvision and of torchgeo
_HOST = "https://huggingface.co/datasets/torchgeo/eurosat/resolve"
EUROSAT_RGB = Archive(
    what="The EuroSAT RGB images",
    url=f"{_HOST}/c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
    md5="c8fa014336c82ac7804f0398fcb19387",
    limit=200 * 10**6,
    published=RGB_SET,
)
EUROSAT_MS = Archive(
    what="The 13-band EuroSAT patches (2.1 GB)",
    url=f"{_HOST}/1ce6f1bfb56db63fd91b6ecc466ea67f2509774c/EuroSATallBands.zip",
    md5="5ac12b3b2557aa56e1826e981e8e200e",
    limit=3 * 10**9,
    published=MS_SET,
)


def locate_or_download(
    root: Path, class_names: Sequence[str], cache: Path | None = None, archive: Archive = EUROSAT_RGB
) -> ZipSource | FolderSource:
    """Return a set of patches: below ``root``, else from an earlier download, else downloaded to the cache.

    Args:
        root: folder that may hold the archive or its tree, or the archive itself; only read.
        class_names: the classes, in label order.
        cache: folder whose ``downloads`` takes the archive; None means `cache_folder`.
        archive: what to look for and to download.

    Raises:
        UserError: of three lines, when the set is neither on disk nor to be had.
    """
    published = archive.published
    if (source := find_eurosat(root, class_names, published)) is not None:
        return source
    destination = (cache_folder() if cache is None else Path(cache).absolute()) / "downloads" / published.archive
    if not destination.exists():
        try:
            fetch(archive.url, destination, archive.md5, archive.limit)
        except UserError as error:
            missing = "" if root.exists() else ", which does not exist"
            raise UserError(
                f"{archive.what} are missing, and the download failed: {error}\n"
                f"Looked in {root.absolute()}{missing} (for {published.pattern}, {', '.join(published.trees)} or the "
                f"class folders; in {', '.join(published.homes)} too) and for {destination}\n"
                f"Either get {archive.url} by hand and set data.root or EUROSAT_ROOT to the folder with it or its "
                "extracted tree, or train on demo data: --config configs/demo.yaml"
            ) from error
    return ZipSource(destination, class_names, published.suffixes)
