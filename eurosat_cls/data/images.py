"""Plain images without labels, to predict on."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch.utils.data import DataLoader

from eurosat_cls.data.batch import Batch
from eurosat_cls.data.decode import decode_rgb
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.data.sentinel2 import RGB
from eurosat_cls.data.store import Recipe, Store, open_or_build
from eurosat_cls.errors import UserError

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp"}


class ImageFiles(PatchDataModule):
    """All RGB images in a folder and the folders in it, for ``predict`` only.

    What a labelled data set would say about itself (classes, statistics) is given instead, as a checkpoint has it.

    Args:
        path: the folder.
        class_names: classes of the model.
        bands: bands of the model; the three of an RGB image.
        mean: of each band, as the model was trained with.
        std: likewise.
        batch_size: images of a batch.
        on_error: ``raise`` an error that names every file that cannot be read, or ``skip`` and count them.

    Raises:
        UserError: when the folder is missing or has no images, when the images differ in size, or when the model
            takes other bands than red, green and blue.
    """

    def __init__(
        self,
        path: str,
        class_names: list[str],
        bands: list[str],
        mean: list[float] | None = None,
        std: list[float] | None = None,
        batch_size: int = 128,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> None:
        super().__init__(bands, "random", (0.6, 0.2, 0.2), 0, batch_size, None, "all")
        if any(band not in RGB for band in bands):
            raise UserError(f"--images reads RGB images, but the model takes the bands {', '.join(bands)}.")
        self.path, self.on_error = Path(path).expanduser(), on_error
        self._class_names, self._mean, self._std = class_names, mean, std
        if not self.path.is_dir():
            raise UserError(f"--images {path}: there is no such folder.")

    @property
    def class_names(self) -> list[str]:
        """The classes of the model."""
        return self._class_names

    @property
    def class_counts(self) -> None:  # type: ignore[override]
        """Unknown here."""
        return None

    @property
    def mean(self) -> list[float] | None:  # type: ignore[override]
        """As the model was trained with."""
        return self._mean

    @property
    def std(self) -> list[float] | None:  # type: ignore[override]
        """As the model was trained with."""
        return self._std

    def open_store(self) -> Store:
        """Decode the images into a store, or open the one made before."""
        paths = sorted(p for p in self.path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not paths:
            raise UserError(f"--images {self.path}: no images in it (looked for {', '.join(sorted(SUFFIXES))}).")
        names = [p.relative_to(self.path).as_posix() for p in paths]
        state = [(name, (stat := os.stat(p)).st_size, stat.st_mtime_ns) for name, p in zip(names, paths)]
        height, width = self._size(paths)
        place = hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:8]
        recipe = Recipe(
            name=f"images-{place}",
            fingerprint=hashlib.sha256(repr(state).encode()).hexdigest(),
            class_names=["unlabelled"],
            bands=RGB,
            shape=(3, height, width),
            dtype="uint8",
            source=str(self.path),
            files=lambda: [(name, 0) for name in names],
            decode=lambda name: decode_rgb((self.path / name).read_bytes(), (height, width)),
        )
        return open_or_build(recipe, on_error=self.on_error)

    def _size(self, paths: Sequence[Path]) -> tuple[int, int]:
        """Height and width of the first image that can be read; the others must have the same."""
        for path in paths:
            try:
                shape = decode_rgb(path.read_bytes()).shape
            except UserError:
                continue  # named, with all the others, when the store is built
            return shape[1], shape[2]
        return 64, 64

    def state_dict(self) -> dict[str, str]:
        """Nothing that a checkpoint would need."""
        return {}

    def predict_dataloader(self) -> DataLoader[Batch]:
        """All images in order of their names."""
        return self._loader(np.arange(len(self.store.files), dtype=np.int64), training=False)


def arguments_for(path: str, checkpoint: dict[str, Any], name: str) -> dict[str, Any]:
    """What :class:`ImageFiles` has to know of the model, from the model's checkpoint.

    Raises:
        UserError: when the checkpoint does not say its classes and bands.
    """
    saved = checkpoint.get("hyper_parameters", {})
    if "class_names" not in saved or "bands" not in saved:
        raise UserError(f"{name} does not say its classes and bands; --images needs a checkpoint of this project.")
    return {"path": path, **{key: saved.get(key) for key in ("class_names", "bands", "mean", "std")}}
