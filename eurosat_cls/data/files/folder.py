"""Read patches from a folder of class folders."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from eurosat_cls.data.files.tree import MAX_FILE_BYTES, Source, checked, is_clutter, refuse_escape
from eurosat_cls.utils.errors import UserError


class FolderSource(Source):
    """Hold the patches of one folder, which may itself be a link; links below it must stay inside it."""

    def fingerprint(self) -> str:
        """Return a SHA-256 over the sorted (file, size, modification time) of all patches; no file is opened."""
        lines = []
        for name in self.class_names:
            for entry in self._patches(name):
                try:
                    status = entry.stat()
                except OSError:  # a dangling link: `files` names it
                    continue
                lines.append(f"{name}/{entry.name}\0{status.st_size}\0{status.st_mtime_ns}")
        return hashlib.sha256("\n".join(sorted(lines)).encode(errors="surrogateescape")).hexdigest()

    def files(self) -> list[tuple[str, int]]:
        """Return ``(file, label)`` pairs in the disk's order.

        Raises:
            UserError: when a class folder is missing or empty, a link leaves the folder, or a name occurs twice.
        """
        self.ignored = 0
        inside = self.path.resolve()
        files = []
        for name in self.class_names:
            refuse_escape(self.path / name, self.path, inside)
            for entry in self._patches(name):
                if entry.is_symlink():
                    refuse_escape(Path(entry.path), self.path, inside)
                if not entry.is_file():
                    raise UserError(f"{entry.path} is not a regular file: remove it")
                files.append(f"{name}/{entry.name}")
        return checked(self.path, files, self.class_names, "")

    def read(self, file: str) -> bytes:
        """Return the bytes of one file named by ``files``. Safe to call from several threads.

        Raises:
            UserError: when the file cannot be read or is absurdly large.
        """
        try:
            with open(self.path / file, "rb") as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise UserError(f"{file}: cannot be read in {self.path} ({error.strerror})") from error
        if len(data) > MAX_FILE_BYTES:
            raise UserError(f"{file}: larger than {MAX_FILE_BYTES:,} bytes in {self.path}")
        return data

    def _patches(self, name: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(self.path / name) as entries:
                for entry in entries:
                    if entry.name.lower().endswith(self.suffixes) and not is_clutter((entry.name,)):
                        yield entry
                    else:
                        self.ignored += not is_clutter((entry.name,))
        except (FileNotFoundError, NotADirectoryError):  # `files` names the missing class
            return
        except OSError as error:
            raise UserError(f"cannot read {self.path / name}: {error.strerror}") from error
