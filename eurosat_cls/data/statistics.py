"""Mean and standard deviation of every band over chosen patches."""

import json
import math
from contextlib import suppress

import numpy as np

from eurosat_cls.data.splits import Split
from eurosat_cls.data.store import Store
from eurosat_cls.files import write_json

_EXACT_VALUES = 2**20  # that many squares of 16-bit integers still sum exactly in float64


def compute_statistics(images: np.ndarray, indices: np.ndarray, chunk: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Compute mean and standard deviation of every band, in the unit of ``images``.

    Integers of up to 16 bits are summed exactly, so the result depends on neither order nor chunks.

    Args:
        images: ``[N, C, H, W]``, may be memory-mapped.
        indices: ``[n]`` positions of the patches to use, at least one.
        chunk: patches read at a time, at most.

    Returns:
        ``(mean, std)``, float64 ``[C]`` each; ``std`` is that of the population (divided by n, not n - 1).
    """
    assert images.ndim == 4
    assert len(indices) > 0
    channels, pixels = images.shape[1], images.shape[2] * images.shape[3]
    exact = images.dtype.kind in "iu" and images.dtype.itemsize <= 2 and pixels <= _EXACT_VALUES
    chunk = max(1, min(chunk, _EXACT_VALUES // pixels))
    # Python's integers and fractions of them never round; other dtypes keep float64
    number = int if exact else float
    sums, squares = [number(0)] * channels, [number(0)] * channels
    for start in range(0, len(indices), chunk):
        values = images[indices[start : start + chunk]].reshape(-1, channels, pixels).astype(np.float64)
        for band, (total, square) in enumerate(
            zip(values.sum(axis=(0, 2)), np.einsum("ncp,ncp->c", values, values), strict=True)
        ):
            sums[band] += number(total)
            squares[band] += number(square)
    count = len(indices) * pixels
    mean = [total / count for total in sums]
    variance = [(count * square - total * total) / count**2 for total, square in zip(sums, squares, strict=True)]
    return np.array(mean, dtype=np.float64), np.array([math.sqrt(max(0.0, v)) for v in variance], dtype=np.float64)


def band_statistics(store: Store, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation, float64 ``[C]`` each, over the training patches of a split.

    They are remembered in the store's folder for each split. A folder that cannot be written, or a damaged memory,
    costs time and nothing else.
    """
    path = store.path / f"statistics-{split.sha256}.json"
    try:
        memory = json.loads(path.read_text(encoding="ascii"))
        mean, std = np.array(memory["mean"], dtype=np.float64), np.array(memory["std"], dtype=np.float64)
        if mean.shape == std.shape == (len(store.bands),):
            return mean, std
    except (OSError, ValueError, KeyError, TypeError):
        pass
    mean, std = compute_statistics(store.images, split.train)
    with suppress(OSError):
        write_json(path, {"mean": mean.tolist(), "std": std.tolist()})
    return mean, std
