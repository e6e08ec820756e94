"""The files of a product, in a folder or in a zip archive that is read in place."""

import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import reading

_MAX_FILES = 20_000


class ProductFiles(ABC):
    """Files by their paths with forward slashes.

    Attributes:
        path: folder or archive.
        names: paths of all files in it.
    """

    path: Path
    names: Sequence[str]

    @abstractmethod
    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of one file, at most ``limit``.

        Raises:
            UserError: when it is larger or cannot be read.
        """

    @abstractmethod
    def raster(self, name: str) -> str:
        """Return what :func:`eurosat_cls.scenes.raster.open_raster` takes for one file."""


class FolderFiles(ProductFiles):
    """The files of a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = []
        for file in path.rglob("*"):
            if file.is_file():
                self.names.append(file.relative_to(path).as_posix())
            if len(self.names) > _MAX_FILES:
                raise UserError(f"{path}: not a scene, it holds more than {_MAX_FILES:,} files.")

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of one file."""
        with reading(self.path / name), (self.path / name).open("rb") as file:
            return _whole(file.read(limit + 1), limit, f"{self.path / name}")

    def raster(self, name: str) -> str:
        """Return the path of one file."""
        return str(self.path / name)


class ZipFiles(ProductFiles):
    """The files of a zip archive; nothing is extracted.

    Raises:
        UserError: when it is no zip, is cut off or is unsafe (absolute or ``..`` paths, links, encrypted entries).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise UserError(f"{path}: not a whole zip archive ({error}); it may be cut off: get it again.") from error
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror or error}).") from error
        for info in infos:
            self._refuse_unsafe(info)
        self.names = [info.filename for info in infos if not info.is_dir()]

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of one file."""
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(name) as file:
                return _whole(file.read(limit + 1), limit, f"{self.path}: {name}")
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
            raise UserError(f"{self.path}: {name} cannot be unpacked ({error}); get it again.") from error

    def raster(self, name: str) -> str:
        """Return GDAL's name of one file in the archive."""
        return f"/vsizip/{{{self.path}}}/{name}"

    def _refuse_unsafe(self, info: zipfile.ZipInfo) -> None:
        name = info.orig_filename.replace("\\", "/")
        if name.startswith("/") or name[1:2] == ":" or ".." in name.split("/") or "\0" in name:
            raise UserError(f"{self.path}: refused, the entry {name[:80]!r} points outside the archive.")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UserError(f"{self.path}: refused, the entry {name[:80]!r} is a link.")
        if info.flag_bits & 1:
            raise UserError(f"{self.path}: the entry {name[:80]!r} is encrypted.")


def _whole(data: bytes, limit: int, name: str) -> bytes:
    if len(data) > limit:
        raise UserError(f"{name}: refused, larger than {limit:,} bytes.")
    return data
