"""Sentinel-2 products as published, Level-1C or Level-2A."""

from pathlib import Path, PurePosixPath

from eurosat_cls.data.sentinel2 import PRODUCT_ORDER, TABLE
from eurosat_cls.scenes.band_files import scene_of_bands
from eurosat_cls.scenes.product_files import ProductFiles
from eurosat_cls.scenes.product_metadata import MAX_BYTES, METADATA, Image, ProductMetadata, parse_metadata
from eurosat_cls.scenes.scene import Scene, scene_name
from eurosat_cls.utils.errors import UserError

_NODATA = 0  # "Special_Values"; the images themselves do not say so
_NATIVE = {band.name: band.resolution for band in TABLE}


def find_metadata(files: ProductFiles) -> str | None:
    """Return the name of a product's main metadata file, or None.

    Raises:
        UserError: when there are several.
    """
    found = [name for name in files.names if METADATA.fullmatch(PurePosixPath(name).name)]
    found = [name for name in found if "GRANULE/" not in name and not name.startswith("__MACOSX/")]
    if len(found) > 1:
        raise UserError(f"{files.path}: holds {len(found)} products ({found[0]}, {found[1]}): name one of them.")
    return found[0] if found else None


def scene_of_product(files: ProductFiles, metadata_name: str, any_resolution: bool) -> Scene:
    """Open a product; for errors see :func:`eurosat_cls.scenes.open_scene`.

    Args:
        files: its files.
        metadata_name: the main metadata file among them.
        any_resolution: whether it may have no band of 10 m.
    """
    root = str(PurePosixPath(metadata_name).parent)
    metadata = parse_metadata(files.read(metadata_name, MAX_BYTES), f"{files.path}: {metadata_name}")
    images, missing = _images(files, metadata, "" if root == "." else f"{root}/")
    if not images:
        listed = ", ".join(missing) or "none"
        raise UserError(f"{files.path}: none of the bands that its metadata list is there ({listed}).")
    rasters = {band: files.raster(images[band]) for band in PRODUCT_ORDER if band in images}
    scene = scene_of_bands(files.path, rasters, any_resolution, _NODATA)
    scene.name = scene_name(Path(root) if root != "." else files.path)
    scene.level, scene.baseline, scene.missing = metadata.level, metadata.baseline or None, missing
    scene.offsets = {band: offset for band, offset in metadata.offsets.items() if band in rasters}
    scene.offset_source = f"{PurePosixPath(metadata_name).name}, baseline {metadata.baseline or 'unknown'}"
    if metadata.level == "L2A":
        scene.missing["B10"] = "Level-2A products have no B10, the cirrus band"
    return scene


def product_file(files: ProductFiles, *ends: str) -> str | None:
    """Return the raster whose name ends so, the first ending that is found; None where there is none."""
    for end in ends:
        if found := sorted(name for name in files.names if name.endswith(end)):
            return files.raster(found[0])
    return None


def _images(files: ProductFiles, metadata: ProductMetadata, prefix: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return by band the file of its image, and why bands that are listed are not there."""
    there = {name.removesuffix(".jp2"): name for name in files.names if name.endswith(".jp2")}
    by_last = {PurePosixPath(name).name: name for name in there}
    images: dict[str, str] = {}
    missing: dict[str, str] = {}
    for band in dict.fromkeys(image.band for image in metadata.images):
        chosen = [image for image in metadata.images if image.band == band]
        if metadata.level == "L1C" and len(chosen) > 1:
            raise UserError(f"{files.path}: it lists {len(chosen)} images of {band}; products of one tile are read.")
        for image in sorted(chosen, key=_preference):
            name = f"{prefix}{image.name}"
            if name not in there and "/" not in image.name:
                name = by_last.get(image.name, name)
            if name in there:
                images[band] = there[name]
                break
        else:
            missing[band] = f"its file {PurePosixPath(chosen[0].name).name}.jp2 is not in the product: get it again"
    return images, missing


def _preference(image: Image) -> tuple[bool, int]:
    """Order images of one band: first at the resolution that it is taken at, then by resolution."""
    resolution = image.resolution or _NATIVE.get(image.band, 0)
    return (resolution != _NATIVE.get(image.band), resolution)
