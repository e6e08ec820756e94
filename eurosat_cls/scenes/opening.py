"""Opening a scene, whatever it is made of."""

from collections.abc import Sequence
from pathlib import Path
from zipfile import is_zipfile

from eurosat_cls.scenes.band_folder import scene_of_folder
from eurosat_cls.scenes.masks import Mask, classification_mask, file_mask, scl_mask
from eurosat_cls.scenes.product import find_metadata, product_file, scene_of_product
from eurosat_cls.scenes.product_files import FolderFiles, ProductFiles, ZipFiles
from eurosat_cls.scenes.product_metadata import METADATA
from eurosat_cls.scenes.raster_file import scene_of_file
from eurosat_cls.scenes.scene import Scene
from eurosat_cls.utils.errors import UserError


def open_scene(
    path: str | Path,
    *,
    bands: Sequence[str] | None = None,
    offset: int | None = None,
    mask: str | Path | None = None,
    any_resolution: bool = False,
) -> Scene:
    """Open a scene: a raster file, a folder of single-band files, or a Sentinel-2 product (folder or zip archive).

    Nothing is read but what describes it.

    Args:
        path: file or folder.
        bands: names of the bands in a file's order, where the file does not say.
        offset: what is added to digital numbers to get 10,000 times the reflectance, 0 or -1000; by default what the
            metadata say.
        mask: ``clouds`` for the product's own mask, or a raster whose pixels other than 0 are left out.
        any_resolution: whether pixels may be of another size than about 10 m.

    Raises:
        UserError: for what is no scene, with the way out.
    """
    path = Path(path).expanduser().absolute()
    files = _files(path)
    metadata = find_metadata(files) if files is not None else None
    if files is None:
        scene = scene_of_file(path, bands, any_resolution)
    elif bands is not None:
        raise UserError(f"--bands: {path} has a file for each band, which its name tells.")
    elif metadata is not None:
        scene = scene_of_product(files, metadata, any_resolution)
    elif path.is_dir():
        scene = scene_of_folder(path, any_resolution)
    else:
        raise UserError(f"{path}: not a Sentinel-2 product, it has no MTD_MSIL1C.xml or MTD_MSIL2A.xml.")
    if offset is not None:
        scene.offsets, scene.offset_source = _offsets(scene, offset), "--offset"
    if mask is not None:
        scene.mask = _mask(scene, files, mask)
    return scene


def _files(path: Path) -> ProductFiles | None:
    """Return the files of a folder or archive, None for a raster; a product's metadata file stands for the product."""
    if not path.exists():
        raise UserError(f"{path}: there is no such file or folder.")
    if path.is_dir():
        return FolderFiles(path)
    if METADATA.fullmatch(path.name):
        return FolderFiles(path.parent)
    return ZipFiles(path) if path.suffix.lower() == ".zip" or is_zipfile(path) else None


def _mask(scene: Scene, files: ProductFiles | None, mask: str | Path) -> Mask:
    if str(mask) != "clouds":
        return file_mask(scene.handles, scene.grid, Path(mask).expanduser())
    if "SCL" in scene.sources:
        source = scene.sources["SCL"]
        return scl_mask(scene.handles, scene.grid, source.path, source.index)
    if files is not None and (found := product_file(files, "SCL_20m.jp2", "SCL_60m.jp2", "SCL.jp2", "SCL.tif")):
        return scl_mask(scene.handles, scene.grid, found)
    if files is not None and (found := product_file(files, "MSK_CLASSI_B00.jp2")):
        return classification_mask(scene.handles, scene.grid, found)
    why = "it has no SCL band"
    if scene.level == "L1C":
        why = (
            f"as a Level-1C product of baseline {scene.baseline or 'unknown'} it has no raster of clouds (since 04.00)"
        )
    raise UserError(f"--mask clouds: {why}; give a raster of what to leave out: --mask FILE")


def _offsets(scene: Scene, offset: int) -> dict[str, int]:
    if not -10_000 < offset <= 0:
        raise UserError(f"--offset {offset}: it is added to digital numbers, and is 0 or -1000 for Sentinel-2.")
    if offset and scene.dtype != "uint16":
        raise UserError(f"--offset {offset}: {scene.path.name} has {scene.dtype} values, and only uint16 ones have it.")
    return dict.fromkeys(scene.bands, offset) if offset else {}
