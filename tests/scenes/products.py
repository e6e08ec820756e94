"""Small Sentinel-2 scenes: GeoTIFFs, and products as ESA publishes them."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from eurosat_cls.data.sentinel2 import BANDS, PRODUCT_ORDER, TABLE

TRANSFORM = Affine(10, 0, 499980, 0, -10, 5100000)
CRS = "EPSG:32633"
RESOLUTION = {band.name: band.resolution for band in TABLE}
TILE = "T33TVM_20180406T100031"


def random_bands(height: int = 96, width: int = 120, seed: int = 0) -> dict[str, np.ndarray]:
    """Digital numbers without offset, smooth as land is: uint16 ``[height, width]`` of at least 1, by band."""
    rng = np.random.default_rng(seed)
    bands = {}
    for band in BANDS:
        coarse = rng.random((height // 12 + 2, width // 12 + 2)).repeat(12, 0).repeat(12, 1)[:height, :width]
        level = 12 if band == "B10" else rng.integers(600, 2500)
        bands[band] = np.rint(level * (0.5 + coarse) + rng.random((height, width)) * level / 20 + 1).astype(np.uint16)
    return bands


def coarsened(values: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks, rounded."""
    height, width = values.shape
    blocks = values.reshape(height // factor, factor, width // factor, factor)
    return np.rint(blocks.mean((1, 3))).astype(values.dtype)


def write_raster(
    path: Path,
    planes: Sequence[np.ndarray],
    descriptions: Sequence[str | None] = (),
    *,
    driver: str = "GTiff",
    pixel: int = 10,
    **profile: object,
) -> Path:
    """Write planes ``[H, W]`` of one dtype as a raster; the profile may replace what is chosen here."""
    height, width = planes[0].shape
    settings: dict[str, object] = {
        "driver": driver, "height": height, "width": width, "count": len(planes), "dtype": planes[0].dtype, "crs": CRS,
        "transform": TRANSFORM @ Affine.scale(pixel / 10),
    }  # fmt: skip
    if driver == "JP2OpenJPEG":
        settings |= {"QUALITY": "100", "REVERSIBLE": "YES", "YCBCR420": "NO"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **{**settings, **profile}) as dataset:
        dataset.write(np.stack(planes))
        for index, text in enumerate(descriptions, 1):
            dataset.set_band_description(index, text)
    return path


def write_scene(path: Path, bands: Mapping[str, np.ndarray], **profile: object) -> Path:
    """Write a GeoTIFF that describes its bands."""
    return write_raster(path, list(bands.values()), list(bands), **profile)


def write_product(
    folder: Path,
    bands: Mapping[str, np.ndarray],
    level: str = "L1C",
    baseline: str = "02.06",
    offset: int = 0,
    clouds: np.ndarray | None = None,
    coarse: bool = True,
) -> Path:
    """Write a product as a ``.SAFE`` folder; return its path.

    Args:
        folder: where to.
        bands: 10 m digital numbers without offset, of a size that 6 divides; 0 for no data. Those of 20 and 60 m are
            coarsened, unless ``coarse`` is False.
        level: ``L1C`` or ``L2A``, which has no B10.
        baseline: processing baseline; its bands are listed in no order before 04.00.
        offset: added to the numbers that are stored, less than 0; said in the metadata.
        clouds: bool ``[H / 2, W / 2]``, written as scene classification or as mask of L1C.
    """
    name = f"S2B_MSI{level}_20180406T100029_N{baseline.replace('.', '')}_R122_T33TVM_20180406T120212"
    safe, granule = folder / f"{name}.SAFE", f"GRANULE/{level}_T33TVM_A005656_20180406T100031"
    images = []
    for band, values in bands.items():
        if level == "L2A" and band == "B10":
            continue
        factor = RESOLUTION[band] // 10 if coarse else 1
        stored = coarsened(values, factor)
        stored = np.where(stored == 0, 0, stored.astype(int) - offset).astype(np.uint16)
        place = f"R{10 * factor}m/{TILE}_{band}_{10 * factor}m" if level == "L2A" else f"{TILE}_{band}"
        write_raster(safe / granule / "IMG_DATA" / f"{place}.jp2", [stored], driver="JP2OpenJPEG", pixel=10 * factor)
        images.append(f"{granule}/IMG_DATA/{place}")
    if baseline < "04.00":
        images = [images[i] for i in np.random.default_rng(0).permutation(len(images))]
    if clouds is not None and level == "L2A":
        scl = np.where(clouds, 9, 4).astype(np.uint8)
        write_raster(
            safe / granule / "IMG_DATA" / "R20m" / f"{TILE}_SCL_20m.jp2", [scl], driver="JP2OpenJPEG", pixel=20
        )
    elif clouds is not None:
        opaque = clouds[::3, ::3].astype(np.uint8)
        snow = 1 - opaque
        planes = [opaque, np.zeros_like(opaque), snow]
        write_raster(safe / granule / "QI_DATA" / "MSK_CLASSI_B00.jp2", planes, driver="JP2OpenJPEG", pixel=60)
    (safe / f"MTD_MSI{level}.xml").write_text(metadata(level, baseline, offset, images))
    return safe


def metadata(level: str, baseline: str, offset: int, images: Sequence[str]) -> str:
    """The main metadata file, with what is needed of it in the places where it is."""
    long = {"L1C": "Level-1C", "L2A": "Level-2A"}[level]
    files = "\n".join(f"<IMAGE_FILE>{image}</IMAGE_FILE>" for image in images)
    add, group, value = {
        "L1C": ("RADIO_ADD_OFFSET", "Radiometric_Offset_List", "QUANTIFICATION_VALUE"),
        "L2A": ("BOA_ADD_OFFSET", "BOA_ADD_OFFSET_VALUES_LIST", "BOA_QUANTIFICATION_VALUE"),
    }[level]
    lines = [f'<{add} band_id="{i}">{offset}</{add}>' for i in range(len(PRODUCT_ORDER))]
    offsets = f"<{group}>{''.join(lines)}</{group}>" if offset else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<n1:{long}_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_{long}.xsd">
<n1:General_Info><Product_Info>
<PROCESSING_LEVEL>{long}</PROCESSING_LEVEL><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
<Product_Organisation><Granule_List><Granule imageFormat="JPEG2000">
{files}
</Granule></Granule_List></Product_Organisation></Product_Info>
<Product_Image_Characteristics><Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>
<SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values>
<{value} unit="none">10000</{value}>{offsets}</Product_Image_Characteristics></n1:General_Info>
</n1:{long}_User_Product>
"""


def zipped(safe: Path, path: Path | None = None) -> Path:
    """Pack a ``.SAFE`` folder into a zip archive beside it."""
    path = path or safe.with_name(f"{safe.name}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(safe.rglob("*")):
            archive.write(file, file.relative_to(safe.parent))
    return path
