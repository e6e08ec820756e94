"""Plain images without labels, to predict on."""

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from torch.utils.data import DataLoader

from eurosat_cls.data.batch import Batch, TaskName
from eurosat_cls.data.files.channels import assumption, channels_for
from eurosat_cls.data.files.decode import decode_image
from eurosat_cls.data.files.walk import find_images
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.data.patch import NoData
from eurosat_cls.data.store.store import Store, open_or_build
from eurosat_cls.data.store.store_spec import Recipe, store_name
from eurosat_cls.utils.cache import cache_folder
from eurosat_cls.utils.distributed import rank_zero_print
from eurosat_cls.utils.errors import UserError

_KEPT_STORES = 4  # of the folders predicted on last; they are quickly made again


class ImageFiles(PatchDataModule):
    """Images in folders and the folders in them, that fit patterns, or one by one, for ``predict`` only.

    The channels of the first image that can be read say what they all are: those that it describes by the names of the
    model's bands; else three are red, green and blue for a model that takes only these; as many as the model has bands
    are those, in the model's order; 13 are Sentinel-2's in EuroSAT's order. What is assumed is said. The model's bands
    are picked by name. All images must agree in channels, size and dtype.

    What a labelled data set would say about itself (classes, statistics) is given instead, as a checkpoint has it.

    Args:
        path: the folder, file or pattern, or several, see :func:`~eurosat_cls.data.files.walk.find_images`.
        class_names: classes of the model.
        bands: bands of the model.
        mean: of each band, as the model was trained with.
        std: likewise.
        batch_size: images of a batch.
        on_error: ``raise`` an error that names every file that cannot be read, or ``skip`` and count them.
        task: of the model.
        nodata: see :class:`~eurosat_cls.data.labelled_files.LabelledFilesModule`.

    Raises:
        UserError: when there are no images, or when they differ or have other bands than the model.
    """

    # What a labelled data set computes is given here, or unknown.
    class_names: list[str] = []  # type: ignore[assignment]
    class_counts = train_patches = unit = input_statistics = None  # type: ignore[assignment]
    mean: list[float] | None = None  # type: ignore[assignment]
    std: list[float] | None = None  # type: ignore[assignment]

    def __init__(
        self,
        path: str | Sequence[str],
        class_names: list[str],
        bands: list[str],
        mean: list[float] | None = None,
        std: list[float] | None = None,
        batch_size: int = 128,
        on_error: Literal["raise", "skip"] = "raise",
        task: TaskName = "multiclass",
        nodata: NoData = "error",
    ) -> None:
        super().__init__(bands=bands, batch_size=batch_size, predict_split="all")
        self.task, self.on_error, self.nodata = task, on_error, nodata
        self.class_names, self.mean, self.std = class_names, mean, std
        self.sources = find_images([path] if isinstance(path, str) else path)
        self.path = ", ".join(source.name for source in self.sources)

    def open_store(self) -> Store:
        """Decode the images into a store, or open the one made before."""
        paths = {name: path for source in self.sources for name, path in source.files.items()}
        state = [(name, (stat := os.stat(path)).st_size, stat.st_mtime_ns) for name, path in paths.items()]
        kind = self._kind(list(paths.values()))
        recipe = Recipe(
            name=store_name("images", "\0".join(source.identity for source in self.sources)),
            fingerprint=hashlib.sha256(f"{state}{self.nodata}".encode()).hexdigest(),
            class_names=["unlabelled"],
            bands=kind.bands,
            shape=kind.shape,
            dtype=kind.dtype,
            source=self.path,
            files=lambda: [(name, 0) for name in paths],
            decode=lambda name: decode_image(_read(paths[name]), kind.shape, kind.dtype, kind.bands, self.nodata),
        )
        store = open_or_build(recipe, on_error=self.on_error)
        _evict()
        return store

    def _kind(self, paths: Sequence[Path]) -> "_Kind":
        """Say what the images are, from the first that can be read and has the model's bands."""
        unfit = ""
        for path in paths:
            try:
                data = _read(path)
                pixels = decode_image(data, nodata=self.nodata).pixels
            except UserError:
                continue  # named, with all the others, when the store is built
            try:
                bands, assumed = channels_for(self.bands, data, len(pixels))
            except UserError as error:
                unfit = unfit or f"{path}: {error}"
                continue
            if assumed and len(bands) > 1:
                rank_zero_print(f"{self.path}: {assumption(bands)}")
            return _Kind(bands, pixels.shape, str(pixels.dtype))
        if unfit:
            raise UserError(f"--images {unfit}.")
        return _Kind(self.bands, (len(self.bands), 64, 64), "uint8")

    def source_of(self, file: str) -> int:
        """Which of the sources a file belongs to."""
        return next(number for number, source in enumerate(self.sources) if file in source.files)

    def state_dict(self) -> dict[str, str]:
        """Nothing that a checkpoint would need."""
        return {}

    def predict_dataloader(self) -> DataLoader[Batch]:
        """All images, source by source in order of their names."""
        return self._loader(np.arange(len(self.store.files), dtype=np.int64), training=False)


class _Kind(NamedTuple):
    """What all images of a folder have in common."""

    bands: list[str]
    shape: tuple[int, int, int]
    dtype: str


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})") from error


def _evict() -> None:
    """Remove the stores of such images that were not used for longest.

    A store is renamed before it is removed, so that no process opens half of one; who has it open keeps it.
    """
    with suppress(OSError):  # a read-only cache, or another process that does the same
        pattern = re.compile(r"images-[0-9a-f]{8}-[0-9a-f]{16}")
        stores = [path for path in cache_folder().iterdir() if pattern.fullmatch(path.name)]
        for path in sorted(stores, key=lambda path: path.stat().st_mtime_ns)[:-_KEPT_STORES]:
            old = path.with_name(f".{path.name}.old")
            path.rename(old)
            shutil.rmtree(old, ignore_errors=True)


def arguments_for(path: str | Sequence[str], checkpoint: dict[str, Any], name: str) -> dict[str, Any]:
    """What :class:`ImageFiles` has to know of the model, from the model's checkpoint.

    Raises:
        UserError: when the checkpoint does not say its bands.
    """
    saved = checkpoint.get("hyper_parameters", {})
    if "bands" not in saved:
        raise UserError(f"{name} does not say its bands; --images needs a checkpoint of this project.")
    known = {key: saved.get(key) for key in ("bands", "mean", "std")}
    # An autoencoder knows no classes.
    return {"path": path, "task": saved.get("task", "multiclass"), "class_names": saved.get("class_names", []), **known}
