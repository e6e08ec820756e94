"""Whether patches are what a model was trained on: their numbers, held against the training's band by band."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from eurosat_cls.data.statistics import BandStatistics
from eurosat_cls.data.store.store import Store
from eurosat_cls.data.unit import ValueRange
from eurosat_cls.utils.errors import UserError

_ROWS = 8  # of each patch that are looked at: rows lie together in memory, columns do not
_SEVERAL = 3.0  # standard deviations from the mean that are worth a word
# Spans of the middle 98 % of the training patches: clouds and snow are up to 9 above it in EuroSAT's bands, the next
# band by wavelength in the place of B10 is 30.
_FAR = 12.0
_DARK = 100.0  # water is up to 50 times as dark as land, in the infrared; units differ by 10,000
_OTHER_UNIT = 7.0  # all bands at once, where the mean is all that is known


@dataclass(frozen=True)
class InputStatistics:
    """What the training patches of a model with ``C`` bands were.

    Attributes:
        dtype: numpy name.
        size: height and width in pixels.
        fingerprint: of the store that they are from.
        minimum: ``[C]``, of all values.
        maximum: ``[C]``.
        patch_std: ``[C]``, the deviation between the means of patches.
        patch_percentiles: ``[C, 5]``, the means of patches at 0, 1, 50, 99 and 100 %.
    """

    dtype: str
    size: tuple[int, int]
    fingerprint: str
    minimum: list[float]
    maximum: list[float]
    patch_std: list[float]
    patch_percentiles: list[list[float]]

    @classmethod
    def of(cls, store: Store, bands: BandStatistics) -> "InputStatistics":
        """Return what the patches of a store are, of which ``bands`` are served."""
        lists: list[Any] = [values.tolist() for values in bands[2:]]  # behind mean and deviation
        return cls(str(store.images.dtype), store.images.shape[2:], store.fingerprint, *lists)

    def plain(self) -> dict[str, Any]:
        """Return plain data, as checkpoints keep it."""
        return {**asdict(self), "size": list(self.size)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], channels: int) -> "InputStatistics":
        """Return what :meth:`plain` was called on.

        Raises:
            UserError: for anything else.
        """
        try:
            numbers = [np.array(plain[name], float) for name in ("minimum", "maximum", "patch_std")]
            between = np.array(plain["patch_percentiles"], float)
            if {value.shape for value in numbers} != {(channels,)} or between.shape != (channels, 5):
                raise ValueError("not of the model's bands")
            height, width = map(int, plain["size"])
            lists: list[Any] = [value.tolist() for value in (*numbers, between)]
            return cls(str(np.dtype(plain["dtype"])), (height, width), str(plain["fingerprint"]), *lists)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"input_statistics: not what a data module says of its patches ({error}).") from error


class Look(NamedTuple):
    """What a look at some patches, or at a scene, has found.

    Attributes:
        values: range of the values.
        means: ``[n, C]``, of each patch.
    """

    values: ValueRange
    means: np.ndarray


class Verdict(NamedTuple):
    """What the numbers say, a phrase for each band.

    Attributes:
        wrong: bands that are plainly not the training's.
        doubtful: bands outside of what the training had.
    """

    wrong: list[str]
    doubtful: list[str]


def reduced(image: Any) -> Any:
    """Return some rows from all over each patch of ``[B, C, H, W]``, a view."""
    step = max(1, image.shape[2] // _ROWS)
    return image[:, :, step // 2 :: step]


def look_at(pixels: np.ndarray) -> Look:
    """Look at ``[B, C, h, w]``."""
    together = np.ascontiguousarray(pixels)
    return Look(ValueRange.of(together), together.mean(axis=(2, 3), dtype=np.float64))


def judge(
    look: Look, bands: Sequence[str], mean: Sequence[float], std: Sequence[float], training: InputStatistics | None
) -> Verdict:
    """Hold patches against those of a training.

    What the most of them are counts. Nothing is said of patches that are 0 all over.

    Args:
        look: at the patches, in the training's unit.
        bands: the ``C`` names.
        mean: of each band in the training.
        std: standard deviation, likewise.
        training: all that is known of the training patches; with None nothing is judged wrong.
    """
    means = look.means[look.means.any(axis=1)]
    if not len(means):
        return Verdict([], [])
    typical, centre, spread = np.median(means, axis=0), np.array(mean), np.array(std)
    odd = np.abs(typical - centre) > _SEVERAL * spread
    if training is None:
        ratios = (typical + 1) / (centre + 1)
        odd |= min(ratios) > _OTHER_UNIT or max(ratios) < 1 / _OTHER_UNIT
        known = [f"{m:,.4g} +- {s:,.3g}" for m, s in zip(mean, std)]
        return Verdict([], _phrases(odd, bands, means, known))
    low, p1, middle, p99, high = np.array(training.patch_percentiles).T
    span = np.maximum(p99 - p1, spread)
    below, above = typical < low, typical > high
    dark = np.where(p1 > 0, typical * _DARK < p1, typical < p1 - _FAR * span)
    wrong = (above & (typical > p99 + _FAR * span)) | (below & dark)
    eight = np.iinfo(np.uint8).max
    if look.values.dtype != training.dtype and look.values.high <= eight < min(training.maximum):
        wrong |= below.any() & (typical * 3 < middle).all()  # 8 bits in another dtype
    dim = (low > 0) & (typical < low / 2)
    odd = (odd & (below | above)) | (below & (dim | (below.all() & (len(bands) > 1))))
    known = [f"{a:,.4g} to {b:,.4g}" for a, b in zip(low, high)]
    return Verdict(*(_phrases(which, bands, means, known) for which in (wrong, odd & ~wrong)))


def _phrases(which: np.ndarray, bands: Sequence[str], means: np.ndarray, known: Sequence[str]) -> list[str]:
    here = [f"{a:,.4g} to {b:,.4g}" if b > a else f"{a:,.4g}" for a, b in zip(means.min(0), means.max(0))]
    return [f"{bands[c]} {here[c]}, in training {known[c]}" for c in np.flatnonzero(which).tolist()]
