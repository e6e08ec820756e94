"""The published splits of EuroSAT."""

from pathlib import Path

from eurosat_cls.data.files.http_download import digest_of, fetch
from eurosat_cls.data.splits.base import PARTS, Split, SplitMethod
from eurosat_cls.data.splits.lists import published_split
from eurosat_cls.data.store.store import Store
from eurosat_cls.utils.cache import cache_folder
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import reading

# Names, addresses and checksums as in torchgeo's datasets/eurosat.py.
ADDRESS = "https://huggingface.co/datasets/torchgeo/eurosat/resolve/1ce6f1bfb56db63fd91b6ecc466ea67f2509774c/"
SHA256 = {
    "eurosat-train.txt": "1c1d2e855f95deee605a3d992f914d113fddbecf422ec61648057d029a37d695",
    "eurosat-val.txt": "b385741f31daa9f1250cf1e1fe03adfab394e1172e0693df40141af004f60330",
    "eurosat-test.txt": "cf37948894c12bd953930ff54ee9b7abf0b31478abb8d25fd2c6c721db74c592",
    "eurosat-spatial-train.txt": "2db7d455afb8dcbca898ea19a00f1f90c091734efdbba89e22aaf24056da243f",
    "eurosat-spatial-val.txt": "6c758477604b7057a0fd990d7f6327b63b99a6725aac11a6a9d0174a7fdd8f0b",
    "eurosat-spatial-test.txt": "de22dec83d350cac3b3e4ca8e285cb6733c81ab94bf5bcf9213a567993402452",
}
_LIMIT = 2**21  # bytes; the longest list has 317 kB


class OfficialSplit(SplitMethod):
    """Use EuroSAT's published lists, 16,200 / 5,400 / 5,400 patches, for the JPEGs or the TIFFs.

    The lists are downloaded once, to ``downloads/splits`` in the cache folder, and verified whenever they are read.
    Data that are a part of EuroSAT get that part of the lists, with a warning.

    Sources: Neumann et al., In-domain representation learning for remote sensing (arXiv 1911.06721), a random split;
    with ``spatial``, torchgeo's EuroSATSpatial, which cuts the patches by their longitude.

    Args:
        spatial: whether to use the split by longitude.
    """

    def __init__(self, spatial: bool = False) -> None:
        self.spatial = spatial

    def divide(self, store: Store) -> Split:
        """Divide the patches of ``store``.

        Raises:
            UserError: when the lists are neither on disk nor to be had, are not the published ones, or name no patch
                of the store.
        """
        method = "official-spatial" if self.spatial else "official"
        return published_split(published_lists(self.spatial), store.files, store.skipped, method)


def published_lists(spatial: bool) -> list[Path]:
    """Return the paths of the published lists of train, val and test, downloading those that are missing.

    Raises:
        UserError: of three lines when they cannot be had; of one when a file is not the published one.
    """
    folder = cache_folder() / "downloads" / "splits"
    names = [f"eurosat-spatial-{part}.txt" if spatial else f"eurosat-{part}.txt" for part in PARTS]
    for name in names:
        path = folder / name
        if not path.exists():
            try:
                fetch(ADDRESS + name, path, limit=_LIMIT, sha256=SHA256[name])
            except UserError as error:
                raise UserError(
                    f"The published lists of EuroSAT's split are missing, and the download failed: {error}\n"
                    f"Looked in {folder} for {', '.join(names)}; they are published below {ADDRESS}\n"
                    "Either get them by hand and put them in that folder, or use other lists: data.split: <folder>"
                ) from error
        _verify(path, SHA256[name])
    return [folder / name for name in names]


def _verify(path: Path, expected: str) -> None:
    with reading(path), open(path, "rb") as stream:
        actual = digest_of(stream, "sha256")
    if actual != expected:
        raise UserError(
            f"{path} is not the published list: its SHA-256 is {actual}, expected {expected}; "
            "remove it, and it is downloaded again"
        )
