"""Read patches of a store in whole batches, however large the store is."""

import math
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from eurosat_cls.utils.errors import UserError

# Up to this size a store is read through its memory map. The pages of a map count as memory of the process, so a
# larger one is read from its file, whose pages are the system's to keep or to drop.
MAPPED_BYTES = 2**30
_MADV_POPULATE_READ = 22  # Linux 5.14; Python's mmap module has no name for it
_MOST_BUFFERS = 256  # of one read; systems allow 1024, a few of them less
_COMPARED_BYTES = 4096


class PatchReader:
    """Read patches of an array by their indices.

    An array in memory is indexed, and so is a memory map of up to :data:`MAPPED_BYTES`. A larger map is read from its
    file straight into a new array, after telling the system of all indices at once, so that a disk works on many of
    them at a time. Where the system has no such reads, a large map is indexed, and its pages are given back after every
    read. A reader can be shared by threads, survives a fork and can be pickled.

    Args:
        images: ``[N, C, H, W]``, an array or a memory map of a file.

    Example:
        >>> reader = PatchReader(np.arange(24).reshape(4, 6, 1, 1))
        >>> reader.read(np.array([3, 0]), channels=[5, 1]).squeeze().tolist()
        [[23, 19], [5, 1]]
    """

    def __init__(self, images: np.ndarray) -> None:
        self._images: np.ndarray = np.asarray(images)  # a view of a memory map without its slow subclass
        self._memmap = images if isinstance(images, np.memmap) else None
        self._large = self._memmap is not None and images.nbytes > MAPPED_BYTES
        self._file = _File.behind(images) if isinstance(images, np.memmap) and self._large else None

    def read(self, indices: np.ndarray, channels: Sequence[int] | None = None) -> np.ndarray:
        """Return the patches of some indices.

        Args:
            indices: ``[n]`` positions in any order, also repeated; negative ones count from the end.
            channels: positions of the channels wanted, in the order wanted; None for all.

        Returns:
            ``[n, C, H, W]``, a new contiguous array of the same dtype.

        Raises:
            IndexError: for a row or a channel that is not there.
            UserError: when the file has become shorter since it was mapped, or cannot be read.
        """
        if self._file is not None:
            units = self._units(indices, channels)
            patches = np.empty((*units.shape, *self._images.shape[units.ndim :]), self._images.dtype)
            self._file.read(units.reshape(-1), patches)
            return patches
        if self._memmap is not None:
            _require_whole(self._memmap)
        wanted = indices if channels is None else np.ix_(indices, np.asarray(channels, dtype=np.int64))
        patches = np.ascontiguousarray(self._images[wanted])
        if self._memmap is not None and self._large and hasattr(mmap, "MADV_DONTNEED"):
            _mapping(self._memmap).madvise(mmap.MADV_DONTNEED)
        return patches

    def ahead(self, indices: np.ndarray, channels: Sequence[int] | None = None) -> None:
        """Let the system fetch these indices, which are read next, in the meantime."""
        if self._file is not None:
            units = self._units(indices, channels)
            self._file.advise(units.reshape(-1), _num_bytes(self._images, units.ndim))

    def map_ahead(self) -> None:
        """Map all pages of a small memory map at once, instead of by thousands of page faults; no more than a hint."""
        if self._memmap is not None and not self._large:
            with suppress(OSError, ValueError, AttributeError):
                _mapping(self._memmap).madvise(_MADV_POPULATE_READ)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._memmap is None or not _is_whole(self._memmap):
            return PatchReader, (self._images,)
        # A memory map would be pickled with all that it maps.
        return _reopen, (self._memmap.filename, self._images.dtype, self._memmap.offset, self._images.shape)

    def _units(self, indices: np.ndarray, channels: Sequence[int] | None) -> np.ndarray:
        """Number what is wanted in the file's order: ``[n]`` whole patches, or ``[n, C]`` single channels."""
        count, width = self._images.shape[:2]
        patches: np.ndarray = np.arange(count)[indices]
        if channels is None or list(channels) == list(range(width)):
            return patches
        planes: np.ndarray = patches[:, None] * width + np.arange(width)[list(channels)]
        return planes


class _File:
    """The file behind a memory map, read in units of one size: patches, or channels of them."""

    def __init__(self, path: str, offset: int) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.path, self.offset = path, offset

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)

    @classmethod
    def behind(cls, images: np.memmap) -> "_File | None":
        """Open the file of a memory map; None where that cannot be, or the name is another file's by now."""
        _require_whole(images)
        if not hasattr(os, "preadv") or not _is_whole(images):
            return None
        try:
            file = cls(str(images.filename), images.offset)
        except OSError:
            return None
        mapped = np.asarray(images).view(np.uint8).reshape(-1)
        same = os.fstat(file.descriptor).st_size == _mapping(images).size() and all(
            os.pread(file.descriptor, _COMPARED_BYTES, file.offset + at) == bytes(mapped[at : at + _COMPARED_BYTES])
            for at in (0, max(0, images.nbytes - _COMPARED_BYTES))
        )
        return file if same else None

    def read(self, units: np.ndarray, out: np.ndarray) -> None:
        """Fill ``out`` with the units ``[n]``, as they follow each other there."""
        if not out.size:
            return
        size = out.nbytes // len(units)
        self.advise(units, size)
        target = memoryview(out.view(np.uint8).reshape(-1))  # type: ignore[arg-type]
        for first, places in _stretches(units):
            for at in range(0, len(places), _MOST_BUFFERS):
                buffers = [target[size * place : size * (place + 1)] for place in places[at : at + _MOST_BUFFERS]]
                self._fill(buffers, self.offset + size * (first + at))

    def advise(self, units: np.ndarray, size: int) -> None:
        """Let the system fetch units of ``size`` bytes."""
        if hasattr(os, "posix_fadvise"):
            for first, places in _stretches(units):
                position = self.offset + size * first
                os.posix_fadvise(self.descriptor, position, size * len(places), os.POSIX_FADV_WILLNEED)

    def _fill(self, buffers: list[memoryview], position: int) -> None:
        """Fill buffers with what follows ``position``; a read may stop short of that, but not at once."""
        try:
            done = os.preadv(self.descriptor, buffers, position)
            for buffer in buffers:
                while done < len(buffer):
                    more = os.preadv(self.descriptor, [buffer[done:]], position + done)
                    if more == 0:
                        raise _shortened(self.path)
                    done += more
                done -= len(buffer)
                position += len(buffer)
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror}.") from error


def _stretches(units: np.ndarray) -> Iterator[tuple[int, list[int]]]:
    """Group units that follow each other in the file: yield the first of them and their places in ``units``."""
    order = np.argsort(units, kind="stable")
    ordered = units[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-2) != 1).tolist()
    places = order.tolist()
    for start, end in zip(starts, [*starts[1:], len(places)]):
        yield int(ordered[start]), places[start:end]


def _num_bytes(images: np.ndarray, axes: int) -> int:
    """Bytes of an element of the first ``axes`` axes."""
    return math.prod(images.shape[axes:]) * images.itemsize


def _mapping(images: np.memmap) -> mmap.mmap:
    mapping: mmap.mmap = images._mmap  # type: ignore[attr-defined]
    return mapping


def _is_whole(images: np.memmap) -> bool:
    """Whether the map is the array that its attributes describe, not a view of such a one, and has a file's name."""
    return isinstance(images.base, mmap.mmap) and images.flags.c_contiguous and images.filename is not None


def _require_whole(images: np.memmap) -> None:
    """Refuse a map whose file has become shorter: touching the missing pages would end the process."""
    start = images.offset - images.offset % mmap.ALLOCATIONGRANULARITY
    if _mapping(images).size() < start + len(_mapping(images)):
        raise _shortened(images.filename)


def _shortened(path: object) -> UserError:
    return UserError(f"{path} has been cut short while it was in use; start again, and it is built anew.")


def _reopen(path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...]) -> PatchReader:
    try:
        return PatchReader(np.memmap(path, dtype, "r", offset, shape))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot open {path}: {error}.") from error
