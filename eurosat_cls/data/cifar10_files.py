"""CIFAR-10 as it is published for Python: pickled batches, in a folder or in the archive.

The batches are pickles of Python 2. A pickle can name any function for its reader to call; here it gets nothing but
stand-ins for the parts of a numpy array, so that it can do no more than hold data.
"""

import hashlib
import io
import pickle
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from eurosat_cls.data.files.http_download import fetch
from eurosat_cls.utils.cache import cache_folder
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import reading

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER, META, TEST_BATCH = "cifar-10-batches-py", "batches.meta", "test_batch"
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), TEST_BATCH)
# Address and checksum as in torchvision's datasets/cifar.py
ARCHIVE = "cifar-10-python.tar.gz"
URL, MD5 = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}", "c58f30108f718f92721af3b95e74349a"
_MAX_ARCHIVE_BYTES = 200 * 10**6
_MAX_BATCH_BYTES = 64 * 2**20  # a published batch has 31 MB


class CIFAR10Batch(NamedTuple):
    """One of the six batches.

    Attributes:
        images: uint8 ``[n, 3, 32, 32]``, red first.
        labels: ``n`` positions in ``CLASS_NAMES``.
    """

    images: np.ndarray
    labels: list[int]


def locate_or_download(root: Path, url: str = URL, md5: str = MD5) -> Path:
    """Return the folder of the batches or the archive: below ``root``, else from the cache, else downloaded to it.

    ``root`` holds ``cifar-10-batches-py`` or the archive, or is one of these itself.

    Raises:
        UserError: of three lines, when the data are neither on disk nor to be had.
    """
    for folder in (root / FOLDER, root):
        if (folder / META).is_file() or (folder / BATCHES[0]).is_file():
            return folder
    for place in (root, root / ARCHIVE):
        if place.is_file():
            return place
    destination = cache_folder() / "downloads" / ARCHIVE
    if not destination.exists():
        try:
            fetch(url, destination, md5, _MAX_ARCHIVE_BYTES)
        except UserError as error:
            missing = "" if root.exists() else ", which does not exist"
            raise UserError(
                f"The CIFAR-10 batches are missing, and the download failed: {error}\n"
                f"Looked in {root.absolute()}{missing} (for {FOLDER} and {ARCHIVE}) and for {destination}\n"
                f"Get {url} by hand, and set data.root or CIFAR10_ROOT to the folder with it or with {FOLDER}"
            ) from error
    return destination


def fingerprint(place: Path) -> str:
    """Return a SHA-256 over sizes and modification times of the batches or the archive; nothing is opened."""
    lines = []
    for path in [place / name for name in (META, *BATCHES)] if place.is_dir() else [place]:
        try:
            status = path.stat()
        except OSError as error:
            raise UserError(f"{path} is missing: CIFAR-10 has {META} and {len(BATCHES)} batches") from error
        lines.append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_batches(place: Path) -> dict[str, CIFAR10Batch]:
    """Read all batches, by their names, from their folder or from the archive, of which nothing is extracted to disk.

    Raises:
        UserError: for a missing or damaged file, one that is no batch or of other classes, and for a pickle that names
            anything but the parts of an array.
    """
    batches: dict[str, CIFAR10Batch] = {}
    names: list[str] | None = None
    for name, data in _in_folder(place) if place.is_dir() else _in_archive(place):
        where = f"{place}: {name}"
        content = _unpickle(where, data)
        if name == META:
            names = content.get("label_names")
        else:
            batches[name] = _batch(where, content)
    if missing := [name for name in BATCHES if name not in batches] + [META] * (names is None):
        raise UserError(f"{place} lacks {', '.join(missing)}: it is not all of CIFAR-10")
    if names != list(CLASS_NAMES):
        raise UserError(f"{place}: {META} names other classes than those of CIFAR-10")
    return batches


def _in_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in (META, *BATCHES):
        if (folder / name).exists():  # `read_batches` names all that is missing
            with reading(folder / name), open(folder / name, "rb") as stream:
                content = stream.read(_MAX_BATCH_BYTES + 1)
            yield name, content


def _in_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    wanted = {f"{FOLDER}/{name}": name for name in (META, *BATCHES)}
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                if (name := wanted.get(member.name.removeprefix("./"))) and member.isreg():
                    stream = archive.extractfile(member)
                    assert stream is not None, "regular files have content"
                    yield name, stream.read(_MAX_BATCH_BYTES + 1)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UserError(f"{path} is not a whole archive of CIFAR-10 ({error}): get it again") from error


def _batch(where: str, content: dict[Any, Any]) -> CIFAR10Batch:
    """Check what a batch holds."""
    data, labels = content.get("data"), content.get("labels")
    pixels = data.values if isinstance(data, _Array) else None
    if pixels is None or pixels.ndim != 2 or pixels.shape[1] != 3072:
        shape = "missing" if pixels is None else f"of shape {list(pixels.shape)}"
        raise UserError(f"{where}: its data are {shape}, expected uint8 [n, 3072]")
    if not isinstance(labels, list) or len(labels) != len(pixels):
        count = len(labels) if isinstance(labels, list) else "no"
        raise UserError(f"{where}: {count} labels for {len(pixels)} images")
    if wrong := [label for label in labels if type(label) is not int or not 0 <= label < len(CLASS_NAMES)]:
        raise UserError(f"{where}: a label is {wrong[0]!r:.40}, expected 0 to {len(CLASS_NAMES) - 1}")
    return CIFAR10Batch(pixels.reshape(-1, 3, 32, 32), labels)


# --- pickles that hold data and nothing else ------------------------------------------------------------------------


def _unpickle(where: str, data: bytes) -> dict[Any, Any]:
    if len(data) > _MAX_BATCH_BYTES:
        raise UserError(f"{where}: larger than {_MAX_BATCH_BYTES:,} bytes")
    try:
        content = _DataUnpickler(io.BytesIO(data), encoding="latin1").load()
    except _Forbidden as error:
        raise UserError(f"{where}: refused, the pickle asks for {error}, which is no part of an array") from error
    except Exception as error:  # a damaged pickle can raise anything
        raise UserError(f"{where}: damaged, or no batch of CIFAR-10 ({type(error).__name__}: {error!s:.80})") from error
    if not isinstance(content, dict):
        raise UserError(f"{where}: no batch of CIFAR-10, it holds a {type(content).__name__}")
    return content


class _Forbidden(Exception):
    """The name of a global that a pickle may not have."""


class _DataType:
    """Stands for ``numpy.dtype``; its state tells the byte order, which a byte does not have."""

    def __init__(self, code: str, *_: object) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        pass


class _Array:
    """Stands for ``numpy.ndarray``; only arrays of bytes are read."""

    values: np.ndarray | None = None

    def __setstate__(self, state: tuple[int, tuple[int, ...], _DataType, bool, str | bytes]) -> None:
        _, shape, kind, fortran, raw = state
        if kind.code not in ("u1", "|u1", "uint8"):
            raise ValueError(f"an array of {kind.code!s:.10}")
        content = raw.encode("latin1") if isinstance(raw, str) else raw  # Python 2 had no bytes
        self.values = np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    """Stands for the function by which numpy begins to rebuild an array."""
    return _Array()


def _from_buffer(raw: bytes, kind: _DataType, shape: tuple[int, ...], order: str, *_: object) -> _Array:
    """Stands for the function by which numpy rebuilds an array from a pickle of protocol 5."""
    array = _Array()
    array.__setstate__((1, shape, kind, order == "F", raw))
    return array


def _encode(text: str, encoding: str) -> bytes:
    """Stands for the function by which pickles of protocol 2 write the bytes of Python 3."""
    if encoding != "latin1":
        raise ValueError(f"text as {encoding!s:.10}")
    return text.encode("latin1")


class _DataUnpickler(pickle.Unpickler):
    """Reads plain values and arrays; what the pickle calls numpy are the stand-ins above."""

    allowed = {
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _DataType,
        ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy.core.numeric", "_frombuffer"): _from_buffer,
        ("numpy._core.numeric", "_frombuffer"): _from_buffer,
        ("_codecs", "encode"): _encode,
    }

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Return the stand-in of a global; any other is forbidden."""
        if (module_name, global_name) not in self.allowed:
            raise _Forbidden(f"{module_name}.{global_name}")
        return self.allowed[module_name, global_name]
