"""The patch store: all patches of a source in one memory-mapped array, built once and reused.

On disk a store is a folder ``<cache>/<name>-<key>/`` with ``images.npy`` (``[N, C, H, W]``) and ``manifest.json``.
"""

import json
import logging
import os
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from eurosat_cls.data.patch import BoundingBox
from eurosat_cls.data.store.build import VERSION, build
from eurosat_cls.data.store.store_spec import Recipe
from eurosat_cls.utils.cache import cache_folder, exclusive, plain_errors
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.locks import share

_log = logging.getLogger(__name__)


class DamagedStore(UserError):
    """A store's files are not what its manifest says, or it has no readable manifest."""


@dataclass(frozen=True)
class Store:
    """A ready store.

    Attributes:
        path: its folder.
        images: ``[N, C, H, W]`` in the sensor's dtype, memory-mapped and read-only.
        labels: ``[N]`` int64, positions in ``class_names``; ``[N, K]`` uint8 of 0 and 1 where a patch can have several
            labels or none.
        files: ``[N]`` names such as ``"AnnualCrop/AnnualCrop_1.jpg"``, by class and then in natural order, whatever the
            source's order.
        class_names: ``[K]`` names.
        bands: ``[C]`` names.
        source: where the patches came from, for people.
        fingerprint: of the source when the store was built.
        skipped: file and reason of what was left out (``on_error="skip"``).
        places: ``[N]`` where each patch lies; None where its file does not say so.
    """

    path: Path
    images: np.ndarray
    labels: np.ndarray
    files: list[str]
    class_names: list[str]
    bands: list[str]
    source: str
    fingerprint: str
    skipped: dict[str, str]
    places: list[BoundingBox | None]

    @property
    def multilabel(self) -> bool:
        """Whether a patch can have several labels or none."""
        return self.labels.ndim == 2

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Return the patches of these indices, ``[n, C, H, W]`` in the sensor's dtype."""
        return np.ascontiguousarray(self.images[indices])


def open_store(path: Path) -> Store:
    """Open a ready store; no patch is read. As long as it is there it counts as used.

    Raises:
        DamagedStore: when the manifest is missing or unreadable, of another version, or does not fit the array.
    """
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="ascii"))
        if manifest["version"] != VERSION:
            raise DamagedStore(f"the store {path} has version {manifest['version']}, not {VERSION}")
        array = path / "images.npy"
        images = np.load(array, mmap_mode="r", allow_pickle=False)
        actual = (array.stat().st_size, list(images.shape), str(images.dtype))
        if actual != (manifest["bytes"], manifest["shape"], manifest["dtype"]):
            raise DamagedStore(f"the store {path} is damaged: images.npy is not the array that its manifest describes")
        class_names = [str(name) for name in manifest["class_names"]]
        places = manifest["places"] or [None] * len(images)
        store = Store(
            path=path,
            images=images,
            labels=_labels(manifest["labels"], len(class_names), manifest["multilabel"]),
            files=[str(file) for file in manifest["files"]],
            class_names=class_names,
            bands=[str(band) for band in manifest["bands"]],
            source=str(manifest["source"]),
            fingerprint=str(manifest["fingerprint"]),
            skipped={str(file): str(reason) for file, reason in manifest["skipped"].items()},
            places=[None if place is None else BoundingBox(*place) for place in places],
        )
        lengths = {len(images), len(store.labels), len(store.files), len(store.places)}
        if len(lengths) > 1 or not all(class_counts(store.labels, len(class_names))):
            raise DamagedStore(f"the store {path} is damaged: its manifest contradicts itself")
    except DamagedStore:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError) as error:
        raise DamagedStore(f"the store {path} is damaged ({type(error).__name__}: {error})") from error
    if (used := share(path / "manifest.json")) is not None:
        weakref.finalize(store, os.close, used)
    return store


def class_counts(labels: np.ndarray, num_classes: int) -> list[int]:
    """Return how many of these patches have each class; ``labels`` are as in :class:`Store`."""
    counts = labels.sum(0, dtype=np.int64) if labels.ndim == 2 else np.bincount(labels, minlength=num_classes)
    return [int(count) for count in counts]


def _labels(labels: list[Any], num_classes: int, multilabel: bool) -> np.ndarray:
    if not multilabel:
        return np.array(labels, dtype=np.int64)
    hot = np.zeros((len(labels), num_classes), dtype=np.uint8)
    for row, present in enumerate(labels):
        hot[row, present] = 1
    return hot


def open_or_build(recipe: Recipe, cache: Path | None = None, on_error: Literal["raise", "skip"] = "raise") -> Store:
    """Return the ready store of a recipe, building it first where it is missing, stale or damaged.

    A build goes to a hidden folder beside the store and is renamed when it is whole; one process builds while others
    wait. The store of the source's former state is removed only after the new one is in place.

    Args:
        recipe: what to build.
        cache: folder of the stores; None means `cache_folder`.
        on_error: what to do about files that cannot be decoded: ``"raise"`` one error that lists them, or ``"skip"``
            them with a warning.

    Raises:
        UserError: for files that cannot be decoded, a bad source, a full or read-only cache.
    """
    if on_error not in ("raise", "skip"):
        raise UserError(f"on_error is {on_error!r}, expected 'raise' or 'skip'")
    cache = cache_folder() if cache is None else Path(cache).absolute()
    target = cache / f"{recipe.name}-{recipe.key}"
    found = _look_up(target)
    if store_state(found, on_error) != "ready":
        with exclusive(cache / f"{recipe.name}.lock", f"the patch store of {recipe.source}"):
            found = _look_up(target)  # another process may have built it meanwhile
            state = store_state(found, on_error)
            if state == "stale":
                _log.warning("%s; building it again", found)
            if state != "ready":
                with plain_errors(cache):
                    build(recipe, target, skip=on_error == "skip")
                return open_store(target)
    assert isinstance(found, Store)
    with suppress(OSError):  # a read-only cache
        os.utime(target)  # the time of its last use
    if found.skipped:
        some = next(iter(found.skipped))
        _log.warning("%d files of %s are left out, such as %s", len(found.skipped), found.source, some)
    return found


def store_state(
    found: Store | DamagedStore | None, on_error: Literal["raise", "skip"]
) -> Literal["ready", "missing", "stale", "incomplete"]:
    """Decide what a store that was looked up is good for.

    Args:
        found: the store; why it cannot be opened; None where there is none.
        on_error: as in :func:`open_or_build`.

    Returns:
        ``stale`` for a store of another version or a damaged one, ``incomplete`` for one that lacks files which
        ``on_error`` wants to have named: all but a ``ready`` one are built.
    """
    if found is None:
        return "missing"
    if isinstance(found, DamagedStore):
        return "stale"
    return "incomplete" if found.skipped and on_error == "raise" else "ready"


def _look_up(target: Path) -> Store | DamagedStore | None:
    if not target.exists():
        return None
    try:
        return open_store(target)
    except DamagedStore as error:
        return error
