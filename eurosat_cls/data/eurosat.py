"""EuroSAT (Helber et al. 2019)."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from eurosat_cls.data.augment import Augmentation
from eurosat_cls.data.decode import decode_rgb
from eurosat_cls.data.download import locate_or_download
from eurosat_cls.data.module import Part, PatchDataModule
from eurosat_cls.data.sentinel2 import RGB, band_names
from eurosat_cls.data.store import Store, open_or_build, recipe_for
from eurosat_cls.errors import UserError

CLASS_NAMES = (
    "AnnualCrop",
    "Forest",
    "HerbaceousVegetation",
    "Highway",
    "Industrial",
    "Pasture",
    "PermanentCrop",
    "Residential",
    "River",
    "SeaLake",
)


class EuroSAT(PatchDataModule):
    """The 27,000 labelled Sentinel-2 patches of EuroSAT, 64x64 pixels of 10 m, as published in RGB.

    The archive or its extracted tree is only read. Its patches are decoded once into a store in the cache folder
    (``EUROSAT_CACHE``, by default the user's), and read from there.

    Args:
        root: folder with ``EuroSAT.zip`` or the extracted class folders; by default the environment variable
            ``EUROSAT_ROOT``, else ``data``. When the data are not there they are downloaded into the cache folder.
        bands: ``rgb``, or some of B04, B03 and B02 in the order wanted.
        split: ``random`` (stratified, by a hash of the file names), or split lists: a pattern such as
            ``lists/eurosat-{}.txt``, or a folder that holds one ``*train.txt``, ``*val.txt`` and ``*test.txt``.
        fractions: shares of train, val and test of a random split.
        split_seed: seed of a random split.
        batch_size: patches of a batch.
        augment: augmentations of the training batches, in order.
        on_error: ``raise`` an error that names every file that cannot be read, or ``skip`` and count them.
        predict_split: which part ``predict`` goes through.

    Raises:
        UserError: for unknown bands; later for anything wrong with the files or the split.

    Source: Helber et al., "EuroSAT: A Novel Dataset and Deep Learning Benchmark for Land Use and Land Cover
    Classification", IEEE JSTARS 2019.
    """

    def __init__(
        self,
        root: str | None = None,
        bands: Literal["rgb"] | list[str] = "rgb",
        split: str = "random",
        fractions: Sequence[float] = (0.6, 0.2, 0.2),
        split_seed: int = 42,
        batch_size: int = 128,
        augment: list[Augmentation] | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        predict_split: Part = "test",
    ) -> None:
        names = band_names(bands)
        missing = [name for name in names if name not in RGB]
        if missing:
            raise UserError(f"data.bands: {missing[0]} is not in the RGB set, which has {', '.join(RGB)}.")
        super().__init__(names, split, fractions, split_seed, batch_size, augment, predict_split)
        self.root = Path(root or os.environ.get("EUROSAT_ROOT") or "data").expanduser()
        self.on_error = on_error

    def open_store(self) -> Store:
        """Open the decoded patches, decoding (and downloading) them first if need be."""
        source = locate_or_download(self.root, CLASS_NAMES)
        recipe = recipe_for("eurosat-rgb", source, RGB, (3, 64, 64), "uint8", partial(decode_rgb, size=(64, 64)))
        try:
            return open_or_build(recipe, on_error=self.on_error)
        finally:
            source.close()
