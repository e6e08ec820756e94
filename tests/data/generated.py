"""Small generated data sets of one's own: folders and tables of images, and CIFAR-10 in its published layout."""

import csv
import io
import struct
import tarfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from eurosat_cls.data.cifar10_files import ARCHIVE, BATCHES, CLASS_NAMES, FOLDER, META, TEST_BATCH

LAND = ("field", "forest", "water")


def pixels(label: int, number: int, channels: int = 3, size: int = 16, dtype: str = "uint8") -> np.ndarray:
    """A patch ``[C, H, W]`` that follows from its arguments: a level for class and band, and noise."""
    level = 40 + 50 * label + 5 * np.arange(channels)[:, None, None]
    noise = np.random.default_rng([label, number]).integers(0, 40, (channels, size, size))
    scale = 1 if dtype == "uint8" else 10
    return np.asarray(scale * (level + noise), dtype)


def image_bytes(patch: np.ndarray, suffix: str = ".png", descriptions: Sequence[str] = ()) -> bytes:
    """Encode ``[C, H, W]``; a TIFF of any bands, and otherwise red, green and blue or grey."""
    stream = io.BytesIO()
    if suffix in (".tif", ".tiff"):
        items = "".join(
            f'<Item name="DESCRIPTION" sample="{i}" role="description">{name}</Item>'
            for i, name in enumerate(descriptions)
        )
        tags = [(42112, "s", 0, f"<GDALMetadata>{items}</GDALMetadata>", True)] if descriptions else []
        tifffile.imwrite(stream, patch, photometric="minisblack", planarconfig="separate", metadata=None,
                         extratags=tags)  # fmt: skip
    else:
        image = Image.fromarray(patch.transpose(1, 2, 0) if len(patch) == 3 else patch[0])
        image.save(stream, {".jpg": "JPEG", ".jpeg": "JPEG"}.get(suffix, suffix[1:].upper()))
    return stream.getvalue()


def write_image(path: Path, patch: np.ndarray, descriptions: Sequence[str] = ()) -> None:
    """Write ``[C, H, W]`` in the format that the path's extension names, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image_bytes(patch, path.suffix.lower(), descriptions))


def make_image_folder(
    root: Path,
    class_names: Sequence[str] = LAND,
    per_class: int = 10,
    suffix: str = ".png",
    parts: Sequence[str] = (),
    channels: int = 3,
    dtype: str = "uint8",
) -> Path:
    """Write ``root/<class>/<class>_<n><suffix>``, or the same below each of ``parts``; return ``root``."""
    for p, part in enumerate(parts or ("",)):
        for label, name in enumerate(class_names):
            for number in range(1, per_class + 1):
                patch = pixels(label, 1000 * p + number, channels, dtype=dtype)
                write_image(root / part / name / f"{name}_{number}{suffix}", patch)
    return root


def make_table(path: Path, rows: Sequence[dict[str, Any]], delimiter: str = ",") -> Path:
    """Write a CSV or, by the extension, Parquet table of these rows, and an image for each ``file``; return ``path``.

    The level of an image follows from the text of its row's other cells, so that it can be learnt.
    """
    kinds = sorted({repr([v for k, v in row.items() if k not in ("file", "split")]) for row in rows})
    for number, row in enumerate(rows):
        kind = repr([v for k, v in row.items() if k not in ("file", "split")])
        write_image(path.parent / row["file"], pixels(kinds.index(kind) % 4, number))
    write_rows(path, rows, delimiter)
    return path


def write_rows(path: Path, rows: Sequence[dict[str, Any]], delimiter: str = ",") -> None:
    """Write the table alone."""
    if path.suffix == ".parquet":
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        parquet.write_table(arrow.Table.from_pylist(list(rows)), path)
        return
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def single_label_rows(per_class: int = 10, class_names: Sequence[str] = LAND) -> list[dict[str, Any]]:
    """Rows with ``file`` and ``label``."""
    return [{"file": f"images/{name}_{n}.png", "label": name} for name in class_names for n in range(per_class)]


def multilabel_rows(count: int = 60) -> list[dict[str, Any]]:
    """Rows with ``file`` and ``label``: each set of the three classes in turn, the empty one too, joined by ``|``."""
    sets = [[name for k, name in enumerate(LAND) if n >> k & 1] for n in range(8)]
    return [{"file": f"images/patch_{n}.png", "label": "|".join(sets[n % 8])} for n in range(count)]


# --- CIFAR-10 -------------------------------------------------------------------------------------------------------


def make_cifar10(root: Path, per_class: int = 2, archive: bool = False) -> Path:
    """Write the batches as published, each with ``per_class`` images of each class, below ``root`` and return it."""
    contents = {META: python2_pickle({"num_cases_per_batch": 10 * per_class, "label_names": list(CLASS_NAMES)})}
    for number, name in enumerate(BATCHES):
        labels = [n % 10 for n in range(10 * per_class)]
        contents[name] = cifar10_batch(labels, number, f"training batch {number + 1} of 5")
    assert TEST_BATCH in contents
    root.mkdir(parents=True, exist_ok=True)
    if archive:
        with tarfile.open(root / ARCHIVE, "w:gz") as file:
            for name, data in contents.items():
                info = tarfile.TarInfo(f"{FOLDER}/{name}")
                info.size = len(data)
                file.addfile(info, io.BytesIO(data))
    else:
        (root / FOLDER).mkdir()
        for name, data in contents.items():
            (root / FOLDER / name).write_bytes(data)
    return root


def cifar10_images(labels: Sequence[int], number: int) -> np.ndarray:
    """The images ``[n, 3, 32, 32]`` of batch ``number``: a colour for each class, and noise."""
    noise = np.random.default_rng(number).integers(0, 60, (len(labels), 3, 32, 32))
    colours = np.array([[20 * k, 190 - 20 * k, (70 * k) % 190] for k in range(10)])
    return np.asarray(colours[np.array(labels)][:, :, None, None] + noise, np.uint8)


def cifar10_batch(labels: Sequence[int], number: int, batch_label: str = "") -> bytes:
    """The file of batch ``number``."""
    data = cifar10_images(labels, number).reshape(len(labels), 3072)
    names = [f"{CLASS_NAMES[k]}_s_{n:06d}.png" for n, k in enumerate(labels)]
    return python2_pickle({"data": data, "labels": list(labels), "batch_label": batch_label, "filenames": names})


def python2_pickle(value: Any) -> bytes:
    """Pickle as ``cPickle.dumps(value, 2)`` of Python 2 with numpy 1 did: its strings are bytes in Python 3."""
    return b"\x80\x02" + _python2(value) + b"."


def _python2(value: Any) -> bytes:
    if isinstance(value, dict):
        return b"}(" + b"".join(_python2(key) + _python2(item) for key, item in value.items()) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(_python2, value)) + b"e"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, (str, bytes)):
        raw = value.encode("latin1") if isinstance(value, str) else value
        return b"T" + struct.pack("<i", len(raw)) + raw
    assert isinstance(value, np.ndarray)
    assert value.dtype == np.uint8
    start = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    # version, byte order and so on of the dtype; then version, shape, dtype, order and content of the array
    kind = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"(" + b"".join(_python2(int(n)) for n in value.shape) + b"t"
    return start + b"(K\x01" + shape + kind + b"\x89" + _python2(value.tobytes()) + b"tb"
