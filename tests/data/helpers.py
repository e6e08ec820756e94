"""Small generated data sets in the published layouts."""

import io
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from eurosat_cls.data.decode import decode_rgb
from eurosat_cls.data.source import Source
from eurosat_cls.data.store import Recipe, recipe_for

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
    for file, data in rgb_files(per_class):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def make_rgb_zip(path: Path, per_class: int = 4, prefix: str = "2750/", backwards: bool = False) -> Path:
    """Write an archive laid out like the published one and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files = list(rgb_files(per_class))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in reversed(files) if backwards else files:
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
