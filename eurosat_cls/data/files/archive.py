"""Read patches straight from a zip archive. Nothing is ever extracted to disk."""

import hashlib
import stat
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from eurosat_cls.data.files.tree import JPEG_SUFFIXES, MAX_FILE_BYTES, Source, checked, is_clutter
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import reading

_TAIL_BYTES = 64 * 2**10
_MAX_RATIO, _RATIO_FROM_BYTES = 100, 2**20  # an even patch may shrink a thousandfold, a large file may not


class ZipSource(Source):
    """Hold the patches of one zip archive, below any prefix (``2750/``, ``ds/images/.../tif/``).

    Making one reads nothing; ``fingerprint`` reads the file's last 64 KiB; ``files`` reads and checks the directory.
    """

    def __init__(self, path: Path, class_names: Sequence[str], suffixes: Sequence[str] = JPEG_SUFFIXES) -> None:
        super().__init__(path, class_names, suffixes)
        self._lock = threading.Lock()
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}

    def fingerprint(self) -> str:
        """Return a SHA-256 over size, modification time and the last 64 KiB (where a zip keeps its directory)."""
        with reading(self.path), self.path.open("rb") as file:
            status = self.path.stat()
            file.seek(max(0, status.st_size - _TAIL_BYTES))
            tail = file.read(_TAIL_BYTES)
        return hashlib.sha256(f"{status.st_size} {status.st_mtime_ns} ".encode() + tail).hexdigest()

    def files(self) -> list[tuple[str, int]]:
        """Return ``(file, label)`` pairs in the archive's order.

        Raises:
            UserError: when the archive is no zip, is cut off, is unsafe (absolute or ``..`` paths, links, encrypted
                entries, absurd sizes), names a file twice, or lacks a class.
        """
        infos = self._open().infolist()
        classes, members, prefixes, others = set(self.class_names), {}, set(), Counter[str]()
        for info in infos:
            self._refuse_unsafe(info)
            parts = info.filename.split("/")
            if info.is_dir() or is_clutter(parts):
                continue
            known = len(parts) > 1 and parts[-2] in classes
            if not known or not parts[-1].lower().endswith(self.suffixes):
                others[Path(parts[-1]).suffix if known else ""] += 1
                continue
            file = "/".join(parts[-2:])
            if (prefix := "/".join(parts[:-2])) in prefixes and file in members:
                raise UserError(f"{self.path}: the archive names {info.filename} twice")
            self._refuse_absurd(info)
            prefixes.add(prefix)
            members[file] = info
        if len(prefixes) > 1:
            raise UserError(f"{self.path}: several class-folder trees in one archive: {', '.join(sorted(prefixes))}")
        others.pop("", None)
        instead = f"; they hold {', '.join(f'{n} {kind} files' for kind, n in others.most_common(3))}" if others else ""
        pairs = checked(self.path, list(members), self.class_names, instead)
        self._members, self.ignored = members, others.total()
        return pairs

    def read(self, file: str) -> bytes:
        """Return the bytes of one file named by ``files``. Safe to call from several threads.

        Raises:
            UserError: when the entry fails its checksum or cannot be unpacked.
        """
        if not self._members:
            self.files()
        archive, info = self._open(), self._members[file]
        try:
            with self._lock:
                stream = archive.open(info)
            try:
                data = stream.read(info.file_size + 1)  # a bound: the entry may unpack to more than it declares
            finally:
                with self._lock:
                    stream.close()
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as error:
            what = "fails its checksum" if "CRC" in str(error) else f"cannot be unpacked ({error})"
            raise UserError(f"{file}: {what} in {self.path}") from error
        if len(data) != info.file_size:
            raise UserError(f"{file}: {len(data)} of {info.file_size} bytes in {self.path}")
        return data

    def close(self) -> None:
        """Close the archive; reading again opens it again."""
        if self._zip is not None:
            self._zip.close()
        self._zip = None

    def _open(self) -> zipfile.ZipFile:
        with self._lock:
            if self._zip is None:
                try:
                    with reading(self.path):
                        self._zip = zipfile.ZipFile(self.path)
                except UserError:
                    raise
                except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
                    message = f"{self.path} is not a whole zip archive ({error}); it may be cut off: get it again"
                    raise UserError(message) from error
            return self._zip

    def _refuse_unsafe(self, info: zipfile.ZipInfo) -> None:
        name = info.orig_filename.replace("\\", "/")
        if name.startswith("/") or name[1:2] == ":" or ".." in name.split("/") or "\0" in name:
            raise UserError(f"{self.path}: refused, the entry {name!r} points outside the archive")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UserError(f"{self.path}: refused, the entry {name!r} is a link")

    def _refuse_absurd(self, info: zipfile.ZipInfo) -> None:
        if info.flag_bits & 1:
            raise UserError(f"{self.path}: the entry {info.filename} is encrypted")
        packed_too_well = info.file_size > _RATIO_FROM_BYTES and info.file_size > _MAX_RATIO * info.compress_size
        if info.file_size > MAX_FILE_BYTES or packed_too_well:
            sizes = f"{info.file_size:,} bytes from {info.compress_size:,}"
            raise UserError(f"{self.path}: refused, the entry {info.filename} declares an absurd size ({sizes})")
