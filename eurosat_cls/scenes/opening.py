"""Opening a scene, whatever it is made of."""

from collections.abc import Sequence
from pathlib import Path

from eurosat_cls.errors import UserError
from eurosat_cls.scenes.raster_file import scene_of_file
from eurosat_cls.scenes.scene import Scene


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
    path = Path(path).expanduser()
    if not path.exists():
        raise UserError(f"{path}: there is no such file or folder.")
    path = path.absolute()
    scene = scene_of_file(path, bands, any_resolution)
    if offset is not None:
        scene.offsets, scene.offset_source = _offsets(scene, offset), "--offset"
    return scene


def _offsets(scene: Scene, offset: int) -> dict[str, int]:
    if not -10_000 < offset <= 0:
        raise UserError(f"--offset {offset}: it is added to digital numbers, and is 0 or -1000 for Sentinel-2.")
    if offset and scene.dtype != "uint16":
        raise UserError(f"--offset {offset}: {scene.path.name} has {scene.dtype} values, and only uint16 ones have it.")
    return dict.fromkeys(scene.bands, offset) if offset else {}
