"""EuroSAT (Helber et al. 2019)."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from eurosat_cls.data.files.decode import decode_image, decode_rgb
from eurosat_cls.data.files.download import locate_or_download
from eurosat_cls.data.files.source import EUROSAT_MS
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.data.sentinel2 import BANDS, RGB, band_names
from eurosat_cls.data.splits import OfficialSplit, SplitMethod
from eurosat_cls.data.store.store import Store, open_or_build
from eurosat_cls.data.store.store_spec import recipe_for
from eurosat_cls.data.unit import Unit
from eurosat_cls.utils.errors import UserError

# Of 10,000 times the reflectance in Level-1C products without offset, see the class's description.
JPEG_UNIT = Unit("uint8", reflectance=True, stretch=(0, 2750), level="L1C")
TIFF_UNIT = Unit("uint16", reflectance=True, level="L1C")
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


def guess_unit(mean: Sequence[float], class_names: Sequence[str]) -> tuple[Unit, str]:
    """Return the unit that a model without one was probably trained in, and what that is called.

    Args:
        mean: of each band in the training; empty where unknown.
        class_names: of the model.
    """
    if max(mean, default=0) > np.iinfo(np.uint8).max:
        return Unit("uint16", reflectance=True), "10,000 times the reflectance"
    if list(class_names) == list(CLASS_NAMES):
        return JPEG_UNIT, "those of EuroSAT's JPEGs"
    return Unit("uint8"), "those of 8-bit images"


class EuroSAT(PatchDataModule):
    """The 27,000 labelled Sentinel-2 patches of EuroSAT, 64x64 pixels of 10 m.

    They are published twice, with the same names: as RGB JPEGs (90 MB) and as 13-band GeoTIFFs (2.1 GB). Archives and
    extracted trees are only read. Patches are decoded once into a store in the cache folder (``EUROSAT_CACHE``, by
    default the user's), and read from there; the store of all bands takes 2.9 GB.

    The JPEGs are not the TIFFs' bands: they are ``clip(DN * 255 / 2750, 0, 255)`` of B04, B03 and B02, so that bright
    roofs and clouds saturate, in 8 bits and with JPEG's losses (1.7 of 255 on average). The TIFFs hold the digital
    numbers (DN) of Level-1C in 16 bits, 10,000 times the reflectance, and where on Earth each patch lies. A model of
    one unit is of no use for the other.

    Args:
        root: folder with ``EuroSAT.zip``, ``EuroSATallBands.zip`` (or one other ``EuroSATallBands*.zip``) or the
            extracted class folders, or one of the archives itself; by default the environment variable
            ``EUROSAT_ROOT``, else ``data``. What is not there is downloaded into the cache folder.
        bands: ``rgb``, ``all`` or the names of bands, in the order wanted.
        variant: ``jpeg``, ``tiff``, or ``auto``: the JPEGs where they have the bands, else the TIFFs.
        split: ``random`` (stratified, by a hash of the file names), ``spatial`` (by the places in the TIFFs),
            ``official`` or ``official-spatial`` (published lists, downloaded), split lists (a pattern such as
            ``lists/eurosat-{}.txt``, or a folder that holds one ``*train.txt``, ``*val.txt`` and ``*test.txt``), or
            one of the classes in :mod:`eurosat_cls.data.splits`.
        on_error: ``raise`` an error that names every file that cannot be read, or ``skip`` and count them.
        shared: the settings that all data modules have, see :class:`~eurosat_cls.data.module.PatchDataModule`.

    Raises:
        UserError: for unknown bands, or bands that the JPEGs lack; later for anything wrong with the files or the
            split.

    Source: Helber et al., "EuroSAT: A Novel Dataset and Deep Learning Benchmark for Land Use and Land Cover
    Classification", IEEE JSTARS 2019.
    """

    def __init__(
        self,
        root: str | None = None,
        bands: Literal["rgb", "all"] | list[str] = "rgb",
        variant: Literal["auto", "jpeg", "tiff"] = "auto",
        split: SplitMethod | str = "random",
        on_error: Literal["raise", "skip"] = "raise",
        **shared: Any,
    ) -> None:
        names = band_names(bands)
        beyond = [name for name in names if name not in RGB]
        if beyond and variant == "jpeg":
            raise UserError(
                f"data.bands: {beyond[0]} is not in the RGB set, which has {', '.join(RGB)}; set data.variant: tiff."
            )
        super().__init__(bands=names, split=split, **shared)
        self.root = Path(root or os.environ.get("EUROSAT_ROOT") or "data").expanduser()
        self.variant = ("tiff" if beyond else "jpeg") if variant == "auto" else variant
        self.on_error = on_error

    def named_split(self, name: str) -> SplitMethod:
        """Return the split method that a word in ``split`` means, the published splits included."""
        if name in ("official", "official-spatial"):
            return OfficialSplit(spatial=name == "official-spatial")
        return super().named_split(name)

    @property
    def unit(self) -> dict[str, Any]:
        """What the values of the patches mean, as plain data."""
        return (JPEG_UNIT if self.variant == "jpeg" else TIFF_UNIT).plain()

    def open_store(self) -> Store:
        """Open the decoded patches, decoding (and downloading) them first if need be."""
        if self.variant == "jpeg":
            source = locate_or_download(self.root, CLASS_NAMES)
            recipe = recipe_for("eurosat-rgb", source, RGB, (3, 64, 64), "uint8", partial(decode_rgb, size=(64, 64)))
        else:
            source = locate_or_download(self.root, CLASS_NAMES, archive=EUROSAT_MS)
            shape = (len(BANDS), 64, 64)
            decode = partial(decode_image, shape=shape, dtype="uint16", bands=BANDS)
            recipe = recipe_for("eurosat-ms", source, BANDS, shape, "uint16", decode)
        try:
            return open_or_build(recipe, on_error=self.on_error)
        finally:
            source.close()
