"""Whole Sentinel-2 scenes: read by windows, in a known unit, on one grid of pixels."""

from eurosat_cls.utils.errors import UserError

try:
    import rasterio  # noqa: F401
except ImportError as error:
    raise UserError(
        "scenes need rasterio: pip install 'eurosat-cls[scenes]', or pip install 'rasterio>=1.4'"
    ) from error

from eurosat_cls.scenes.opening import open_scene
from eurosat_cls.scenes.scene import Grid, Scene

__all__ = ["Grid", "Scene", "open_scene"]
