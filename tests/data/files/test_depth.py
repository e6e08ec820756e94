"""Pixels come out as they were measured: all bits, the right way up, colours of palettes, missing values found."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from eurosat_cls.data import ImageFolder
from eurosat_cls.data.files.decode import decode_image
from eurosat_cls.utils.errors import UserError
from tests.data.helpers import geo_tags, tiff

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 255, (3, 6, 9), dtype=np.uint8)
NODATA = (42113, "s", 0, "-9999", True)


def deep_png(pixels: np.ndarray, kind: int = 2) -> bytes:
    """A PNG of ``[H, W, C]`` uint16, which Pillow cannot write for colours."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_colours_of_16_bits_keep_them() -> None:
    pixels = RNG.integers(0, 65535, (5, 7, 3), dtype=np.uint16)
    found = decode_image(deep_png(pixels), (3, 5, 7), "uint16").pixels
    assert np.array_equal(found, pixels.transpose(2, 0, 1))
    with pytest.raises(UserError, match="wrong dtype, got uint16, expected uint8"):
        decode_image(deep_png(pixels), dtype="uint8")
    with pytest.raises(UserError, match="truncated image"):
        decode_image(deep_png(pixels)[:-40])
    with pytest.raises(UserError, match="wrong mode, got RGBA"):
        decode_image(deep_png(RNG.integers(0, 65535, (5, 7, 4), dtype=np.uint16), 6))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_palettes_become_their_colours(kind: str) -> None:
    image = Image.fromarray(COLOURS.transpose(1, 2, 0)).quantize(16)
    assert np.array_equal(decode_image(saved(image, kind)).pixels, np.asarray(image.convert("RGB")).transpose(2, 0, 1))


@pytest.mark.parametrize("code", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_images_stored_turned_come_out_upright(kind: str, code: int) -> None:
    exif = Image.Exif()
    exif[274] = code
    image = Image.fromarray(np.kron(COLOURS.transpose(1, 2, 0) // 200 * 200, np.ones((8, 8, 1), np.uint8)))
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
    data = saved(image, kind, exif=exif, **options)
    upright = np.array(Image.open(io.BytesIO(saved(image, kind, **options)))).transpose(2, 0, 1)
    turn = {2: "fliplr", 3: "rot180", 4: "flipud", 5: "transpose", 6: "cw", 7: "transverse", 8: "ccw"}.get(code)
    changes: dict[str | None, Any] = {
        None: lambda a: a, "fliplr": lambda a: a[:, :, ::-1], "flipud": lambda a: a[:, ::-1],
        "rot180": lambda a: np.rot90(a, 2, (1, 2)), "transpose": lambda a: a.swapaxes(1, 2),
        "cw": lambda a: np.rot90(a, -1, (1, 2)), "ccw": lambda a: np.rot90(a, 1, (1, 2)),
        "transverse": lambda a: np.rot90(a.swapaxes(1, 2), 2, (1, 2)),
    }  # fmt: skip
    expected = changes[turn](upright)
    assert np.array_equal(decode_image(data, expected.shape).pixels, expected)


def test_a_geotiff_is_taken_as_its_coordinates_are() -> None:
    data = tiff(COLOURS, [*geo_tags(), (274, "H", 1, 3, True)])
    assert np.array_equal(decode_image(data).pixels, COLOURS)


def test_mask_pages_are_left_aside() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(COLOURS.transpose(1, 2, 0), photometric="rgb")
        writer.write(np.ones((6, 9), bool), subfiletype=4, photometric="minisblack")
        writer.write(np.ones((3, 5), bool), subfiletype=5, photometric="minisblack")
    assert np.array_equal(decode_image(stream.getvalue()).pixels, COLOURS)


@pytest.mark.parametrize(
    ("dtype", "value", "tags", "message"),
    [
        ("float32", -9999, [NODATA], r"4 values are nodata \(-9999\)"),
        ("float32", -9999, [], "4 values are -9999, which looks like nodata that no tag names"),
        ("int16", -32768, [], "4 values are -32768, which looks like"),
        ("float32", np.finfo("float32").min, [], "4 values are -3.40282e.38, which looks like"),
        ("float32", np.nan, [], "4 values are NaN or infinite"),
    ],
)
def test_missing_values_are_named_or_become_the_mean_of_their_band(
    dtype: str, value: float, tags: list[Any], message: str
) -> None:
    pixels = RNG.integers(100, 900, (2, 6, 9)).astype(dtype)
    pixels[0, :2, :2] = value
    with pytest.raises(UserError, match=message + r"(?s:.*)nodata: fill"):
        decode_image(tiff(pixels, tags))
    found = decode_image(tiff(pixels, tags), nodata="fill").pixels
    mean = np.delete(pixels[0].ravel(), [0, 1, 9, 10]).mean(dtype=np.float64)
    np.testing.assert_allclose(found[0, :2, :2], mean, atol=0.5 if dtype == "int16" else 1e-3)
    pixels[0, :2, :2] = found[0, :2, :2]
    assert np.array_equal(found, pixels)


def test_low_values_among_others_are_measurements() -> None:
    heights = np.linspace(-9999, 9000, 54, dtype=np.float32).reshape(1, 6, 9)
    assert np.array_equal(decode_image(tiff(heights)).pixels, heights)
    heights[0, 0, 0] = -9999
    assert decode_image(tiff(heights - 30000, [NODATA])).pixels.min() == -39999


def test_what_cannot_be_filled_is_refused() -> None:
    pixels = np.ones((2, 6, 9), np.float32)
    pixels[1] = np.nan
    with pytest.raises(UserError, match="band 2 holds nodata only"):
        decode_image(tiff(pixels), nodata="fill")
    pixels[1] = np.inf
    with pytest.raises(UserError, match="54 values are NaN or infinite"):
        decode_image(tiff(pixels), nodata="fill")


def test_a_folder_keeps_patches_whose_nodata_is_filled(tmp_path: Path) -> None:
    for name in "ab":
        for number in range(4):
            pixels = RNG.integers(1, 900, (3, 8, 8), dtype=np.uint16)
            pixels[:, :3, :3] = 0 if number % 2 else 5
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{number}.tif").write_bytes(tiff(pixels, [(42113, "s", 0, "0", True)]))
    with pytest.raises(UserError, match=r"4 of 8 files(?s:.*)27 values are nodata \(0\); nodata: fill"):
        ImageFolder(str(tmp_path)).store  # noqa: B018
    store = ImageFolder(str(tmp_path), nodata="fill").store
    assert len(store.files) == 8
    assert store.images.min() > 0
