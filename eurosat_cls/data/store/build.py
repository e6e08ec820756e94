"""Build a patch store: decode in parallel, write in order, rename when whole."""

import json
import logging
import re
import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from eurosat_cls.data.patch import BoundingBox, Patch
from eurosat_cls.data.store.store_spec import Label, Recipe
from eurosat_cls.utils.cache import require_space
from eurosat_cls.utils.cores import available_cores
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import remove_parts, replacing, write_text
from eurosat_cls.utils.progress import progress

VERSION = 3  # of a store's files, and of how images are decoded; another version is built again
_CHUNK_BYTES = 4 * 2**20
_MAX_LISTED = 20
_log = logging.getLogger(__name__)


class _Chunk(NamedTuple):
    """Decoded files: the good ones, and the reason of each that failed by its position."""

    images: np.ndarray
    places: list[BoundingBox | None]
    failed: dict[int, str]


def build(recipe: Recipe, target: Path, skip: bool) -> None:
    """Build the store of ``recipe`` and put it in the place of ``target``.

    The caller holds the lock of ``recipe.name``. Until the last rename nothing but a hidden folder beside ``target`` is
    touched; it is removed on any error, and what a killed build left is removed by the next.

    Raises:
        UserError: for undecodable files (unless ``skip``), a class left without files, too little space.
        OSError: when the disk refuses.
    """
    pairs = sorted(recipe.files(), key=_order)
    remove_parts(target.parent, f"{recipe.name}-*")
    require_space(target.parent, len(pairs) * (recipe.row_bytes + 200) + 2**20)
    with replacing(target) as building:  # in place of one that is damaged, or was built while files were skipped
        building.mkdir()
        places, failed = _write_images(building / "images.npy", recipe, [file for file, _ in pairs])
        reasons = {pairs[row][0]: reason.removeprefix(pairs[row][0] + ": ") for row, reason in failed.items()}
        if failed:
            _report(reasons, len(pairs), recipe, target, skip)
        good = [pair for row, pair in enumerate(pairs) if row not in failed]
        _write_manifest(building, recipe, good, places, reasons)
    _remove(target.parent, rf"\.?{re.escape(recipe.name)}-[0-9a-f]{{16}}(\.old)?", keep=target.name)


def _write_images(path: Path, recipe: Recipe, files: Sequence[str]) -> tuple[list[BoundingBox | None], dict[int, str]]:
    """Write the patches of ``files`` in order; return their places, and ``{position: reason}`` of what was left out.

    Plain writes, not a writable memory map: a full disk is then an error and not a signal that kills the process, and
    the patches never count as this process's memory. At most two chunks for each thread are held.
    """
    threads = available_cores()
    rows = max(1, min(512, _CHUNK_BYTES // recipe.row_bytes))
    failed: dict[int, str] = {}
    places: list[BoundingBox | None] = []
    waiting: deque[Future[_Chunk]] = deque()
    starts: Iterator[int] = iter(range(0, len(files), rows))
    with open(path, "wb") as stream, progress(len(files), f"reading {recipe.source}") as advance:
        header = _write_header(stream, recipe, len(files))
        pool = ThreadPoolExecutor(threads)
        try:
            while True:
                while len(waiting) < 2 * threads and (start := next(starts, None)) is not None:
                    waiting.append(pool.submit(_decode_chunk, recipe, files[start : start + rows], start))
                if not waiting:
                    break
                chunk = waiting.popleft().result()
                stream.write(chunk.images.data)
                places += chunk.places
                failed |= chunk.failed
                advance(len(chunk.images) + len(chunk.failed))
        finally:
            pool.shutdown(cancel_futures=True)
        if failed:
            stream.seek(0)
            assert _write_header(stream, recipe, len(files) - len(failed)) == header, "the header must keep its length"
    return places, failed


def _decode_chunk(recipe: Recipe, files: Sequence[str], start: int) -> _Chunk:
    """Decode ``files``, of which the first has position ``start``."""
    images = np.empty((len(files), *recipe.shape), dtype=recipe.dtype)
    places: list[BoundingBox | None] = []
    failed: dict[int, str] = {}
    for row, file in enumerate(files):
        try:
            decoded = recipe.decode(file)
        except (UserError, OSError) as error:
            failed[start + row] = str(error)
            continue
        pixels, place = decoded if isinstance(decoded, Patch) else (decoded, None)
        if pixels.shape != recipe.shape or pixels.dtype != images.dtype:
            expected = f"{recipe.dtype} {list(recipe.shape)}"
            failed[start + row] = f"decoded to {pixels.dtype} {list(pixels.shape)}, expected {expected}"
            continue
        images[len(places)] = pixels
        places.append(place)
    return _Chunk(images[: len(places)], places, failed)


def _write_header(stream: BinaryIO, recipe: Recipe, num_images: int) -> int:
    """Write the npy header for ``num_images`` patches; return its length (numpy leaves room for a growing number)."""
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(recipe.dtype)),
        "fortran_order": False,
        "shape": (num_images, *recipe.shape),
    }
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.tell()


def _write_manifest(
    building: Path,
    recipe: Recipe,
    pairs: Sequence[tuple[str, Label]],
    places: Sequence[BoundingBox | None],
    skipped: Mapping[str, str],
) -> None:
    present = {k for _, label in pairs for k in ((label,) if isinstance(label, int) else label)}
    if empty := [name for label, name in enumerate(recipe.class_names) if label not in present]:
        raise UserError(f"{recipe.source}: no readable file in class {', '.join(empty)}")
    manifest = {
        "version": VERSION,
        "bytes": (building / "images.npy").stat().st_size,
        "shape": [len(pairs), *recipe.shape],
        "dtype": str(np.dtype(recipe.dtype)),
        "fingerprint": recipe.fingerprint,
        "source": recipe.source,
        "class_names": list(recipe.class_names),
        "bands": list(recipe.bands),
        "skipped": dict(skipped),
        "multilabel": recipe.multilabel,
        "labels": [label for _, label in pairs],
        "files": [file for file, _ in pairs],
        "places": list(places) if any(places) else None,
    }
    with open(building / "manifest.json", "w", encoding="ascii") as stream:
        json.dump(manifest, stream)


def _report(reasons: dict[str, str], total: int, recipe: Recipe, target: Path, skip: bool) -> None:
    """Tell which files cannot be used: a warning when they are skipped, else one error that lists them."""
    what = f"{len(reasons)} of {total} files of {recipe.source} cannot be used"
    lines = [f"{file}: {reason}" for file, reason in reasons.items()]
    listed = "".join(f"\n  {line}" for line in lines[:_MAX_LISTED])
    if len(reasons) > _MAX_LISTED:
        path = target.with_name(f"{recipe.name}-unusable-files.txt")
        write_text(path, "\n".join(lines) + "\n")
        listed += f"\n  ... all of them are listed in {path}"
    if not skip:
        raise UserError(f"{what} (mend or remove them, or set on_error: skip):{listed}")
    _log.warning("%s and are left out:%s", what, listed)


def _remove(cache: Path, pattern: str, keep: str = "") -> None:
    """Remove the folders in ``cache`` whose whole name matches; what cannot be removed stays (open on Windows)."""
    for entry in cache.iterdir():
        if entry.name != keep and re.fullmatch(pattern, entry.name) and entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)


def _order(pair: tuple[str, Label]) -> tuple[int, list[str | int]]:
    """Sort by class and then by name; patches of several labels by name alone."""
    file, label = pair
    return label if isinstance(label, int) else 0, _natural(file)


def _natural(file: str) -> list[str | int]:
    """Sort key that puts ``River_2`` before ``River_10``; digits and text alternate, so keys always compare."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", file)]
