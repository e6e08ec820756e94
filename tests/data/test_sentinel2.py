import io
import zipfile
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
import tifffile

from eurosat_cls.data.sentinel2 import BANDS, PRODUCT_ORDER, RGB, TABLE, band_names, find_band, wavelengths
from eurosat_cls.utils.errors import UserError
from tests.conftest import REAL_ZIP

REAL_TIFFS = REAL_ZIP.with_name("EuroSATallBands-369.zip")


def test_the_order_requested_is_the_order_delivered() -> None:
    assert band_names(["B12", "B02", "B8A"]) == ["B12", "B02", "B8A"]
    assert band_names(["swir2", "blue", "nir_narrow"]) == ["B12", "B02", "B8A"]
    assert band_names("all") == list(BANDS)
    assert band_names("rgb") == list(RGB)
    assert band_names("nir") == ["B08"]


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        *[(alias, band.name) for band in TABLE for alias in band.aliases],
        ("b4", "B04"), ("B4", "B04"), ("B8a", "B8A"), ("b08A", "B8A"), ("b8", "B08"), ("B012", "B12"),
        ("rededge1", "B05"), ("Red-Edge2", "B06"), ("red edge 3", "B07"), ("NIR", "B08"),
    ],
)  # fmt: skip
def test_names_are_understood_however_they_are_spelt(spelling: str, name: str) -> None:
    assert band_names([spelling]) == [name]


def test_no_spelling_means_two_bands() -> None:
    spellings = [name for band in TABLE for name in (band.name, *band.aliases)]
    assert len(set(spellings)) == len(spellings)
    assert [find_band(name) for band in TABLE for name in (band.name, *band.aliases)] == [
        band for band in TABLE for _ in (band.name, *band.aliases)
    ]


def test_products_order_bands_by_wavelength() -> None:
    assert ",".join(PRODUCT_ORDER) == "B01,B02,B03,B04,B05,B06,B07,B08,B8A,B09,B10,B11,B12"
    assert wavelengths(["nir_narrow", "blue"]) == [864.7, 492.4]
    assert all(a < b for a, b in pairwise(wavelengths(PRODUCT_ORDER)))


@pytest.mark.parametrize(
    ("bands", "said"),
    [
        (["B04", "B13"], "unknown band 'B13'. Did you mean 'B"),
        (["swir3"], "unknown band 'swir3'. Did you mean 'swir"),
        ("rbg", "unknown band 'rbg'. Did you mean 'rgb'"),
        (["rgb", "nir"], "unknown band 'rgb'.*instead of a list"),
        (["thermal"], r"unknown band 'thermal'\. Sentinel-2 has B01"),
        (["B4", "nir", "red"], "'B4' and 'red' are both B04"),
        (["B08", "B08"], "none twice: B08 is repeated"),
        ([], "at least one band"),
    ],
)
def test_what_cannot_be_meant_is_named(bands: str | list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as raised:
        band_names(bands)
    assert "\n" not in str(raised.value)


# --- the order on disk, by physics: on the real patches, whatever anybody wrote about their order ----------------


class Real(NamedTuple):
    patches: np.ndarray  # [N, 13, 64, 64] as they lie in their files
    names: np.ndarray  # [N] class names
    means: dict[str, np.ndarray]  # [N] by band


@pytest.fixture(scope="module")
def real() -> Real:
    if not REAL_TIFFS.exists():
        pytest.skip(f"{REAL_TIFFS} is not there")
    patches, names = [], []
    with zipfile.ZipFile(REAL_TIFFS) as archive:
        for member in archive.namelist():
            if member.endswith(".tif"):
                patches.append(tifffile.imread(io.BytesIO(archive.read(member))).transpose(2, 0, 1))
                names.append(member.split("/")[-2])
    stacked = np.stack(patches).astype(np.float64)
    return Real(stacked, np.array(names), dict(zip(BANDS, stacked.mean((2, 3)).T)))


@pytest.mark.real
def test_cirrus_is_darkest_by_far(real: Real) -> None:
    """At 1375 nm water vapour absorbs what comes from the ground: B10 sees high clouds only."""
    for band in set(BANDS) - {"B10"}:
        assert (real.means["B10"] < real.means[band]).all(), band
        assert real.means["B10"].mean() < real.means[band].mean() / 50


@pytest.mark.real
def test_plants_reflect_near_infrared_and_water_does_not(real: Real) -> None:
    """In every patch: leaves are dark in red and bright beyond the red edge; water is brighter in green than in B08."""
    means, names = real.means, real.names
    for name in ("AnnualCrop", "Forest", "HerbaceousVegetation", "Pasture", "PermanentCrop"):
        assert (means["B08"][names == name] > means["B04"][names == name]).all(), name
    water = names == "SeaLake"
    assert (means["B08"][water] < means["B03"][water]).all()
    # and darkens with the wavelength, as clear water does
    assert means["B02"][water].mean() > means["B03"][water].mean() > means["B04"][water].mean()


@pytest.mark.real
def test_b8a_follows_its_neighbours_in_the_spectrum(real: Real) -> None:
    """Patch means of B8A correlate with B08, B07 and B06, in this order, above 0.98, and with no other band above 0.75.

    Pixel by pixel B08, which is sharper, comes after B07 and B06: all of them above 0.97, every other one below 0.75.
    """
    by_patch = {band: np.corrcoef(real.means["B8A"], real.means[band])[0, 1] for band in BANDS if band != "B8A"}
    pixels = dict(zip(BANDS, real.patches.transpose(1, 0, 2, 3).reshape(13, -1)))
    by_pixel = {band: np.corrcoef(pixels["B8A"], pixels[band])[0, 1] for band in BANDS if band != "B8A"}
    assert sorted(by_patch, key=by_patch.__getitem__)[-3:] == ["B06", "B07", "B08"]
    assert sorted(by_pixel, key=by_pixel.__getitem__)[-3:] == ["B08", "B06", "B07"]
    for correlation in (by_patch, by_pixel):
        assert sorted(correlation.values())[-4] < 0.75 < 0.97 < sorted(correlation.values())[-3]


@pytest.mark.real
def test_sharpness_tells_the_resolution_of_each_band(real: Real) -> None:
    """Neighbouring pixels differ more, measured by the band's own spread, the finer the band was before resampling."""
    roughness = np.abs(np.diff(real.patches, axis=3)).mean((0, 2, 3)) / real.patches.std((0, 2, 3))
    sharpest: dict[int, list[float]] = {10: [], 20: [], 60: []}
    for band, rough in zip(TABLE, roughness):
        sharpest[band.resolution].append(rough)
    assert max(sharpest[60]) < min(sharpest[20]) < max(sharpest[20]) < min(sharpest[10])
