"""TIFFs of any number of bands: every layout gives the same pixels, and what is wrong with a file is told."""

import io
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from eurosat_cls.data.files import tiff as tiff_module
from eurosat_cls.data.files.decode import decode_image, decode_rgb
from eurosat_cls.data.files.tiff import described_bands
from eurosat_cls.data.patch import BoundingBox
from eurosat_cls.data.sentinel2 import BANDS
from eurosat_cls.utils.errors import UserError
from tests.conftest import REPOSITORY
from tests.data.helpers import description_tag, geo_tags, tiff, tiff_pixels

SHAPE = (13, 64, 64)
PIXELS = tiff_pixels(3, 1)
GDAL_NODATA, COMPRESSION, LENGTH, WIDTH, COUNTS = 42113, 259, 257, 256, 279


def numbers(dtype: str, shape: tuple[int, ...] = (5, 30, 40)) -> np.ndarray:
    return np.random.default_rng(0).integers(-100 if dtype in ("int16", "float32") else 0, 200, shape).astype(dtype)


def retagged(data: bytes, code: int, *values: int) -> bytes:
    """Overwrite the value of a tag of the first page."""
    stream = io.BytesIO(data)
    with tifffile.TiffFile(stream, mode="r+") as file:
        file.pages.first.tags[code].overwrite(values if len(values) > 1 else values[0])
    return stream.getvalue()


# --- what is right ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bigtiff": True},
        {"rowsperstrip": 7},
        {"tile": (16, 16)},
        {"tile": (64, 64)},
        {"compression": "deflate"},
        {"compression": "deflate", "tile": (16, 32)},
        {"compression": "deflate", "rowsperstrip": 8, "predictor": 2},
    ],
)
def test_every_layout_gives_the_pixels(dtype: str, byteorder: Any, planar: bool, options: dict[str, Any]) -> None:
    pixels = numbers(dtype)
    if options.get("predictor") and dtype == "float32":
        options = options | {"predictor": 1}  # the predictor of integers
    data = tiff(pixels, planar=planar, byteorder=byteorder, **options)
    decoded = decode_image(data, (5, 30, 40), dtype)
    assert decoded.pixels.dtype == np.dtype(dtype)
    assert decoded.pixels.dtype.isnative
    assert decoded.pixels.flags.c_contiguous
    assert np.array_equal(decoded.pixels, pixels)
    assert np.array_equal(decode_image(data).pixels, pixels)


def test_single_bands_and_bands_in_pages_are_read() -> None:
    pixels = numbers("uint8")
    assert np.array_equal(decode_image(tiff(pixels[:1]), (1, 30, 40)).pixels, pixels[:1])
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, photometric="minisblack")
    assert len(tifffile.TiffFile(io.BytesIO(stream.getvalue())).pages) == 5
    assert np.array_equal(decode_image(stream.getvalue(), (5, 30, 40)).pixels, pixels)


def test_overviews_are_left_aside() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        file.write(PIXELS.transpose(1, 2, 0), photometric="minisblack", planarconfig="contig")
        file.write(
            PIXELS[:, ::2, ::2].transpose(1, 2, 0), photometric="minisblack", planarconfig="contig", subfiletype=1
        )
    assert np.array_equal(decode_image(stream.getvalue(), SHAPE).pixels, PIXELS)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_jpeg", "tiff_adobe_deflate", "packbits"])
def test_compressed_rgb_is_read_without_further_packages(compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_module, "find_spec", lambda name: None)
    colours = np.kron(numbers("uint8", (3, 8, 8)), np.ones((8, 8), "uint8"))
    stream = io.BytesIO()
    Image.fromarray(colours.transpose(1, 2, 0)).save(stream, "TIFF", compression=compression)
    decoded = decode_image(stream.getvalue(), (3, 64, 64), "uint8").pixels
    assert np.array_equal(decoded, decode_rgb(stream.getvalue()))
    assert decoded.flags.c_contiguous
    if compression != "tiff_jpeg":
        assert np.array_equal(decoded, colours)


@pytest.mark.parametrize(("code", "name"), [(5, "LZW"), (32773, "PACKBITS"), (50000, "ZSTD")])
def test_a_missing_decoder_is_named(code: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf"^{name} compression needs imagecodecs: pip install 'eurosat-cls\[geo\]'$"):
        decode_image(retagged(tiff(PIXELS), COMPRESSION, code), SHAPE)


@pytest.mark.parametrize(
    ("tags", "place"),
    [
        (geo_tags(), BoundingBox(32632, 300_000, 4_999_700, 300_400, 5_000_000)),
        (geo_tags(epsg=4326, left=9, top=48, scale=0.5), BoundingBox(4326, 9, 33, 29, 48)),
        (geo_tags(point=True), BoundingBox(32632, 299_995, 4_999_705, 300_395, 5_000_005)),
        ([], None),
        (geo_tags()[:2], None),
        (geo_tags()[1:], None),
        (geo_tags(epsg=32767), None),
        (geo_tags(scale=0), None),
        (geo_tags(left=float("nan")), None),
    ],
)
def test_the_place_is_read(tags: list[Any], place: BoundingBox | None) -> None:
    assert decode_image(tiff(numbers("uint16"), tags)).place == place


@pytest.mark.parametrize(
    ("first", "second", "place"),
    [
        ((10, 0, 0, 300), (0, -20, 0, 900), BoundingBox(32632, 300, 300, 700, 900)),
        ((10, 0, 0, 300), (0, 20, 0, 900), BoundingBox(32632, 300, 900, 700, 1500)),
        ((7, 7, 0, 300), (7, -7, 0, 900), None),
    ],
)
def test_the_place_is_read_from_a_matrix_unless_it_rotates(
    first: tuple[float, ...], second: tuple[float, ...], place: BoundingBox | None
) -> None:
    matrix = (34264, "d", 16, tuple(map(float, (*first, *second, *(0,) * 7, 1))), True)
    assert decode_image(tiff(numbers("uint16"), [matrix, geo_tags()[2]])).place == place


def test_the_tie_point_may_be_any_pixel() -> None:
    tie = (33922, "d", 6, (4.0, 2.0, 0.0, 1000.0, 2000.0, 0.0), True)
    scale, _, keys = geo_tags()
    place = decode_image(tiff(numbers("uint16"), [scale, tie, keys])).place
    assert place == BoundingBox(32632, 960, 1720, 1360, 2020)


@pytest.mark.parametrize(
    "names", [BANDS, [name.lower() for name in BANDS], ["", "blue", "Green", "red"], ["my band", "x"], []]
)
def test_descriptions_that_fit_or_say_nothing_are_no_hindrance(names: list[str]) -> None:
    assert decode_image(tiff(PIXELS, [description_tag(names)]), SHAPE, "uint16", BANDS).pixels.shape == SHAPE


def test_descriptions_can_be_asked_for() -> None:
    data = tiff(PIXELS, [description_tag(["red", "B8A", "elevation"])])
    assert described_bands(data) == {0: "B04", 1: "B8A"}
    assert described_bands(tiff(PIXELS)) == {}


def test_a_nodata_value_that_no_pixel_has_is_no_hindrance() -> None:
    for text in ("0", "-9999", "65535", "nan", "1e300", "-3.4e38"):
        decode_image(tiff(PIXELS, [(GDAL_NODATA, "s", 0, text, True)]), SHAPE)
        decode_image(tiff(PIXELS.astype("float32"), [(GDAL_NODATA, "s", 0, text, True)]), SHAPE)


# --- what is wrong ----------------------------------------------------------------------------------------------


def with_values(value: float, dtype: str) -> np.ndarray:
    pixels = PIXELS.astype(dtype)
    pixels[4, 5:7, 6] = value
    return pixels


def two_images() -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        file.write(PIXELS.transpose(1, 2, 0), photometric="minisblack", planarconfig="contig")
        file.write(PIXELS[0], photometric="minisblack")
    return stream.getvalue()


def sparse() -> bytes:
    data = tiff(PIXELS, rowsperstrip=16)
    return retagged(data, COUNTS, 0, *[16 * 64 * 26] * 3)


def swapped() -> list[str]:
    return [*BANDS[:8], "B8A", *BANDS[8:12]]


WRONG = {
    "empty": (b"", "empty file"),
    "only a header": (tiff(PIXELS)[:8], "truncated or damaged TIFF"),
    "tags cut off": (tiff(PIXELS)[:100], "damaged TIFF"),
    "pixels cut off": (tiff(PIXELS)[:-1], r"truncated TIFF, 106,\d+ of at least 106,\d+ bytes"),
    "compressed and cut off": (tiff(PIXELS, compression="deflate")[:-9], "truncated TIFF"),
    "band count": (tiff(PIXELS[:12]), "wrong band count, got 12, expected 13"),
    "dtype": (tiff(PIXELS.astype("uint8")), "wrong dtype, got uint8, expected uint16"),
    "dtype never read": (tiff(PIXELS.astype("uint32")), "wrong dtype, got uint32, expected uint16"),
    "complex": (tiff(PIXELS.astype("complex64")), "wrong dtype, got complex64"),
    "size": (tiff(PIXELS[:, :60]), r"wrong size, got 64x60, expected 64x64 \(width x height\)"),
    "nodata": (
        tiff(with_values(0, "uint16"), [(GDAL_NODATA, "s", 0, "0", True)]),
        r"2 values are nodata \(0\)",
    ),
    "unreadable nodata": (tiff(PIXELS, [(GDAL_NODATA, "s", 0, "none", True)]), "unreadable GDAL_NODATA tag 'none'"),
    "band order": (
        tiff(PIXELS, [description_tag([*swapped()[:12], "B8A"])]),
        "wrong band order, band 9 is described as B8A, expected B09",
    ),
    "aliases in another order": (
        tiff(PIXELS, [description_tag(["coastal", "green"])]),
        "wrong band order, band 2 is described as B03, expected B02",
    ),
    "entities": (
        tiff(PIXELS, [(42112, "s", 0, '<!DOCTYPE a [<!ENTITY b "description">]><a>&b;</a>', True)]),
        "unreadable GDAL_METADATA tag",
    ),
    "several images": (two_images(), "2 pages that do not form one image"),
    "sparse": (sparse(), r"damaged TIFF \(3 of 4 strips or tiles are there\)"),
    "too few bytes": (retagged(tiff(PIXELS), COUNTS, 100), r"damaged TIFF \(100 bytes of pixels instead of 106,496\)"),
    "inverted grey": (tiff(PIXELS, photometric="miniswhite"), "wrong photometric interpretation, got MINISWHITE"),
    "absurd dimensions": (retagged(retagged(tiff(PIXELS), LENGTH, 60_000), WIDTH, 60_000), "wrong size, got 60000x"),
    "no image": (b"II*\0" + bytes(60), r"truncated or damaged TIFF \(no image in it\)"),
    "not deflated": (retagged(tiff(PIXELS), COMPRESSION, 8), "damaged TIFF"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_in_a_few_words(name: str, caplog: pytest.LogCaptureFixture) -> None:
    data, message = WRONG[name]
    with pytest.raises(UserError, match=f"^{message}") as caught:
        decode_image(data, SHAPE, "uint16", BANDS)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
    assert not caplog.records


@pytest.mark.parametrize(("value", "count"), [(np.nan, 2), (np.inf, 2), (-np.inf, 2)])
def test_numbers_that_are_none_are_refused(value: float, count: int) -> None:
    with pytest.raises(UserError, match=f"{count} values are NaN or infinite"):
        decode_image(tiff(with_values(value, "float32")), SHAPE, "float32")


def test_nodata_of_float_files_is_compared_in_their_precision() -> None:
    tag = (GDAL_NODATA, "s", 0, "-3.4028234663852886e+38", True)
    with pytest.raises(UserError, match=r"2 values are nodata \(-3\.40282e\+38\)"):
        decode_image(tiff(with_values(float(np.finfo("float32").min), "float32"), [tag]), SHAPE, "float32")


def test_described_bands_are_brought_into_the_expected_order() -> None:
    data = tiff(PIXELS, [description_tag(swapped())])
    found = decode_image(data, SHAPE, "uint16", BANDS).pixels
    assert np.array_equal(found, PIXELS[[swapped().index(band) for band in BANDS]])
    assert np.array_equal(decode_image(data).pixels, PIXELS)


def test_without_a_size_absurd_dimensions_are_refused() -> None:
    huge = retagged(retagged(tiff(PIXELS), LENGTH, 60_000), WIDTH, 60_000)
    with pytest.raises(UserError, match="absurd dimensions, 13 bands of 60000x60000"):
        decode_image(huge)


@pytest.mark.parametrize("kind", ["bomb", "dimensions", "tiles"])
def test_a_hostile_file_costs_no_memory(kind: str) -> None:
    data, shape = tiff(PIXELS, rowsperstrip=64, compression="deflate"), SHAPE
    if kind == "bomb":
        bomb = tiff(np.zeros((1, 8000, 8000), "uint8"), rowsperstrip=8000, compression="deflate")
        data, shape = retagged(retagged(bomb, LENGTH, 64), WIDTH, 64), (1, 64, 64)
    elif kind == "dimensions":
        data, shape = retagged(retagged(data, LENGTH, 50_000), WIDTH, 50_000), (13, 50_000, 50_000)
    else:
        data = retagged(retagged(tiff(PIXELS, tile=(64, 64), compression="deflate"), 322, 65_520), 323, 65_520)
    tracemalloc.start()
    with pytest.raises(UserError, match=r"unpacks to more|absurd"):
        decode_image(data, shape)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23


def test_an_endless_chain_of_pages_ends() -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, numbers("uint8", (2, 16, 16)), photometric="minisblack")
    with tifffile.TiffFile(io.BytesIO(stream.getvalue())) as file:
        first, second = (page.offset for page in file.pages)
        tags = len(file.pages[1].tags)
    data = bytearray(stream.getvalue())
    struct.pack_into("<I", data, second + 2 + 12 * tags, first)
    with pytest.raises(UserError, match="pages that do not form one image"):
        decode_image(bytes(data))


@pytest.mark.parametrize("options", [{}, {"compression": "deflate"}, {"tile": (16, 16)}, {"bigtiff": True}])
def test_random_damage_is_only_ever_a_user_error(options: dict[str, Any]) -> None:
    tags = [*geo_tags(), description_tag(BANDS), (GDAL_NODATA, "s", 0, "0", True)]
    whole = tiff(PIXELS[:, :16, :16], tags, **options)
    dice, messages = random.Random(0), []
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 6)):  # mostly in the header and the tags
            at = dice.randrange(min(1500, len(data))) if dice.random() < 0.9 else dice.randrange(len(data))
            data[at] = dice.randrange(256)
        try:
            assert decode_image(bytes(data), (13, 16, 16), "uint16", BANDS).pixels.shape == (13, 16, 16)
        except UserError as error:
            messages.append(str(error))
    assert messages
    assert not any("\n" in message for message in messages)


# --- the real patches -------------------------------------------------------------------------------------------

REAL_ZIP = REPOSITORY.parent / "shared/data/EuroSATallBands-369.zip"
REAL_JPEGS = REPOSITORY.parent / "shared/data/EuroSAT.zip"


@pytest.fixture(scope="module")
def real() -> dict[str, bytes]:
    if not REAL_ZIP.exists():
        pytest.skip("the real patches are not here")
    with zipfile.ZipFile(REAL_ZIP) as archive:
        return {Path(name).stem: archive.read(name) for name in archive.namelist() if name.endswith(".tif")}


@pytest.mark.real
def test_real_patches_are_read_with_their_places(real: dict[str, bytes]) -> None:
    for data in real.values():
        pixels, place = decode_image(data, SHAPE, "uint16", BANDS)
        assert pixels.shape == SHAPE
        assert np.array_equal(pixels, tifffile.imread(io.BytesIO(data)).transpose(2, 0, 1))
        assert place is not None
        assert 32601 <= place.epsg <= 32660
        assert place.right - place.left == pytest.approx(640, abs=5)
        assert place.top - place.bottom == pytest.approx(640, abs=5)


@pytest.mark.real
def test_real_tiffs_and_jpegs_of_one_number_show_the_same(real: dict[str, bytes]) -> None:
    errors = []
    with zipfile.ZipFile(REAL_JPEGS) as archive:
        for stem, data in list(real.items())[::4]:
            jpeg = decode_image(archive.read(f"2750/{stem.rsplit('_', 1)[0]}/{stem}.jpg"), (3, 64, 64)).pixels
            numbers = decode_image(data, SHAPE).pixels[[3, 2, 1]]
            errors.append(np.abs(jpeg - np.clip(numbers * (255 / 2750), 0, 255)).mean())
    assert np.mean(errors) == pytest.approx(1.7, abs=0.2)
    assert max(errors) < 8
