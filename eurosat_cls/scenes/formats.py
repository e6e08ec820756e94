"""Which GDAL driver reads a file, by its first bytes; no other driver gets to see it."""

from pathlib import Path

from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

# What rasterio raises where a file or a place is wrong: its own errors, GDAL's, and Python's for text that is damaged.
GDAL_ERRORS = (RasterioError, CPLE_BaseError, OSError, ValueError, LookupError)
# Formats whose pixels lie in the file itself. GDAL knows 150 more; some of them open network addresses.
_MAGIC = {
    b"II*\0": "GTiff",
    b"MM\0*": "GTiff",
    b"II+\0": "GTiff",
    b"MM\0+": "GTiff",
    b"\0\0\0\x0cjP  ": "JP2OpenJPEG",
    b"\xffO\xffQ": "JP2OpenJPEG",
    b"\x89PNG": "PNG",
    b"EHFA_HEADER_TAG": "HFA",
}
_HEAD = 1024  # GDAL, too, takes a file for a VRT when its first kilobyte says so


def driver_for(path: Path) -> str | None:
    """Return the name of the driver for a local file, or None for one that is not to be opened.

    Raises:
        OSError: when it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for magic, driver in _MAGIC.items():
        if head.startswith(magic):
            return driver
    return "VRT" if b"<VRTDataset" in head else None
