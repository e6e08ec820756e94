"""How to get at one of EuroSAT's sets: from disk, else from the network."""

from collections.abc import Sequence
from pathlib import Path

from eurosat_cls.data.files.archive import ZipSource
from eurosat_cls.data.files.http_download import fetch
from eurosat_cls.data.files.source import EUROSAT_RGB, Archive, find_eurosat
from eurosat_cls.data.files.tree import Source
from eurosat_cls.utils.cache import cache_folder
from eurosat_cls.utils.errors import UserError


def locate_or_download(
    root: Path, class_names: Sequence[str], cache: Path | None = None, archive: Archive = EUROSAT_RGB
) -> Source:
    """Return a set of patches: below ``root``, else from an earlier download, else downloaded to the cache.

    ``root`` may hold the archive or its tree, or be the archive itself; it is only read.

    Raises:
        UserError: of three lines, when the set is neither on disk nor to be had.
    """
    if (source := find_eurosat(root, class_names, archive)) is not None:
        return source
    destination = (cache_folder() if cache is None else Path(cache).absolute()) / "downloads" / archive.name
    if not destination.exists():
        try:
            fetch(archive.url, destination, archive.md5, archive.limit)
        except UserError as error:
            missing = "" if root.exists() else ", which does not exist"
            raise UserError(
                f"{archive.what} are missing, and the download failed: {error}\n"
                f"Looked in {root.absolute()}{missing} (for {archive.pattern}, {', '.join(archive.trees)} or the "
                f"class folders; in {', '.join(archive.homes)} too) and for {destination}\n"
                f"Either get {archive.url} by hand and set data.root or EUROSAT_ROOT to the folder with it or its "
                "extracted tree, or train on demo data: --config configs/demo.yaml"
            ) from error
    return ZipSource(destination, class_names, archive.suffixes)
