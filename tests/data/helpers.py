"""Small generated data sets in the published layouts."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from eurosat_cls.data.files.decode import decode_rgb
from eurosat_cls.data.files.tree import Source
from eurosat_cls.data.store.store_spec import Recipe, recipe_for

CLASS_NAMES = [
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
]
RGB = ["B04", "B03", "B02"]
TIF_PREFIX = "ds/images/remote_sensing/otherDatasets/sentinel_2/tif/"


def jpeg(label: int, number: int, size: int = 64, mode: str = "RGB") -> bytes:
    """A JPEG that follows from its arguments: a colour for the class, and some coarse texture."""
    texture = np.random.default_rng([label, number]).integers(0, 60, (size // 8, size // 8, 3))
    pixels = np.kron(texture, np.ones((8, 8, 1))) + np.array([20 * label, 190 - 20 * label, 90])
    stream = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode).save(stream, "JPEG")
    return stream.getvalue()


def rgb_files(per_class: int) -> Iterator[tuple[str, bytes]]:
    """Names such as ``"AnnualCrop/AnnualCrop_1.jpg"`` and their bytes."""
    for label, name in enumerate(CLASS_NAMES):
        for number in range(1, per_class + 1):
            yield f"{name}/{name}_{number}.jpg", jpeg(label, number)


def make_rgb_tree(folder: Path, per_class: int = 4) -> Path:
    """Write the class folders directly into ``folder`` and return it."""
    return _make_tree(folder, rgb_files(per_class))


def make_rgb_zip(path: Path, per_class: int = 4, prefix: str = "2750/", backwards: bool = False) -> Path:
    """Write an archive laid out like the published one and return its path."""
    files = list(rgb_files(per_class))
    return _make_zip(path, prefix, reversed(files) if backwards else files)


def geo_tags(
    left: float = 300_000, top: float = 5_000_000, epsg: int = 32632, scale: float = 10, point: bool = False
) -> list[Any]:
    """Tags of a north-up grid, as ``tifffile.imwrite(extratags=...)`` takes them."""
    kind, key = (2, 2048) if 4000 <= epsg < 5000 else (1, 3072)
    keys = (1, 1, 0, 3, 1024, 0, 1, kind, 1025, 0, 1, 2 if point else 1, key, 0, 1, epsg)
    return [
        (33550, "d", 3, (scale, scale, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, float(left), float(top), 0.0), True),
        (34735, "H", 16, keys, True),
    ]


def description_tag(names: Sequence[str]) -> Any:
    """The tag in which GDAL keeps the descriptions of bands."""
    items = (f'<Item name="DESCRIPTION" sample="{c}" role="description">{n}</Item>' for c, n in enumerate(names))
    return (42112, "s", 0, f"<GDALMetadata>{''.join(items)}</GDALMetadata>", True)


def tiff(pixels: np.ndarray, tags: Sequence[Any] = (), planar: bool = False, **options: Any) -> bytes:
    """A TIFF of ``[C, H, W]`` pixels; ``options`` are those of ``tifffile.imwrite``."""
    stream = io.BytesIO()
    layout: dict[str, Any] = {"photometric": "minisblack"}
    data = pixels[0]
    if len(pixels) > 1:
        data = pixels if planar else np.ascontiguousarray(pixels.transpose(1, 2, 0))
        layout["planarconfig"] = "separate" if planar else "contig"
    tifffile.imwrite(stream, data, extratags=list(tags), metadata=None, software=False, **(layout | options))
    return stream.getvalue()


def tiff_pixels(label: int, number: int) -> np.ndarray:
    """The 13 bands of a patch, ``[13, 64, 64]`` uint16, which follow from its arguments."""
    texture = np.random.default_rng([label, number]).integers(0, 300, (13, 8, 8))
    spectrum = 800 + 100 * label + 50 * np.arange(13).reshape(13, 1, 1)
    return np.kron(texture + spectrum, np.ones((8, 8))).astype(np.uint16)


def tiff_files(per_class: int) -> Iterator[tuple[str, bytes]]:
    """Names such as ``"AnnualCrop/AnnualCrop_1.tif"`` and their bytes: 13 bands, each patch in a place of its own."""
    for label, name in enumerate(CLASS_NAMES):
        for number in range(1, per_class + 1):
            tags = geo_tags(300_000 + 640 * number, 5_000_000 - 640 * label)
            yield f"{name}/{name}_{number}.tif", tiff(tiff_pixels(label, number), tags)


def make_tiff_tree(folder: Path, per_class: int = 4) -> Path:
    """Write the class folders of 13-band TIFFs directly into ``folder`` and return it."""
    return _make_tree(folder, tiff_files(per_class))


def make_tiff_zip(path: Path, per_class: int = 4, prefix: str = TIF_PREFIX) -> Path:
    """Write an archive laid out like the published one of all bands and return its path."""
    return _make_zip(path, prefix, tiff_files(per_class))


def _make_tree(folder: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    for file, data in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _make_zip(path: Path, prefix: str, files: Iterable[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in files:
            archive.writestr(prefix + file, data)
    return path


def rgb_recipe(source: Source) -> Recipe:
    """The recipe for a store of an RGB source."""
    return recipe_for("rgb", source, RGB, (3, 64, 64), "uint8", partial(decode_rgb, size=(64, 64)))


def generated_recipe(per_class: int = 20, seed: int = 0, channels: int = 13, dtype: str = "uint16") -> Recipe:
    """A recipe without files: three classes of random numbers."""
    names = ["a", "b", "c"]
    pairs = [(f"{name}/{name}_{n}.tif", label) for label, name in enumerate(names) for n in range(1, per_class + 1)]
    position = {file: row for row, (file, _) in enumerate(pairs)}

    def draw(file: str) -> np.ndarray:
        return np.random.default_rng([seed, position[file]]).integers(0, 250, (channels, 8, 8)).astype(dtype)

    bands = [f"band{c}" for c in range(channels)]
    return Recipe(
        "generated", f"seed {seed}, {per_class}", names, bands, (channels, 8, 8), dtype, "noise", lambda: pairs, draw
    )
