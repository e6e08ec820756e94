"""Compare a map with a reference: which classes are taken for which, and what that means for the areas."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from eurosat_cls.scenes.hectares import harmless_csv
from eurosat_cls.scenes.raster import open_raster, reading
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.intervals import Z
from eurosat_cls.utils.text import class_label

_OTHER = -1
_WHOLE = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Accuracy:
    """What a comparison says, with the names of Olofsson et al. 2014.

    Attributes:
        counts: int64 ``[K, K]``, pixels with the map's class in rows and the reference's in columns, as in that paper.
        overall: share of the land that is mapped right, and the half-width of its 95 % interval.
        user: ``[K]``, share of what the map calls a class that is it; and half-widths.
        producer: ``[K]``, share of a class that the map calls so; and half-widths.
        areas: ``[K]`` hectares of each class, adjusted for the errors; and half-widths.
    """

    counts: np.ndarray
    overall: tuple[float, float]
    user: tuple[np.ndarray, np.ndarray]
    producer: tuple[np.ndarray, np.ndarray]
    areas: tuple[np.ndarray, np.ndarray]


def adjusted_accuracy(counts: np.ndarray, mapped: np.ndarray) -> Accuracy:
    r"""Estimate accuracies and areas from a sample stratified by the map's classes.

    With ``W_i`` the share of class i in the map, ``n_ij`` the sampled pixels of map class i and reference class j and
    ``p_ij = W_i n_ij / n_i.``:

    - overall ``O = sum_j p_jj``, ``V(O) = sum_i W_i^2 U_i (1 - U_i) / (n_i. - 1)`` (equations 1 and 5),
    - user's ``U_i = p_ii / p_i.``, ``V(U_i) = U_i (1 - U_i) / (n_i. - 1)`` (2 and 6),
    - producer's ``P_j = p_jj / p_.j`` (3), and with ``N_j. `` mapped pixels of a class and
      ``N_.j = sum_i N_i. n_ij / n_i.``:
      ``V(P_j) = [N_j.^2 (1 - P_j)^2 U_j (1 - U_j) / (n_j. - 1)
      + P_j^2 sum_(i != j) N_i.^2 n_ij / n_i. (1 - n_ij / n_i.) / (n_i. - 1)] / N_.j^2`` (7),
    - area ``A_j = A p_.j`` with ``S(p_.j)^2 = sum_i (W_i p_ij - p_ij^2) / (n_i. - 1)`` (9 to 11).

    Intervals are 1.96 standard errors. They hold for pixels sampled independently; neighbouring pixels are not, so of
    a whole reference map the intervals are too narrow.

    Source: Olofsson et al., "Good practices for estimating area and assessing accuracy of land change", Remote Sensing
    of Environment 148 (2014), 42-57.

    Args:
        counts: ``[K, K]``, the map's class in rows, the reference's in columns.
        mapped: ``[K]`` hectares (or pixels) of each class in the map.
    """
    n = counts.sum(axis=1).astype(float)
    weight = mapped / mapped.sum() if mapped.sum() else np.zeros(len(mapped))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(n[:, None] > 0, counts / n[:, None], 0.0)  # n_ij / n_i.
        p = weight[:, None] * share
        user = np.where(n > 0, np.diag(counts) / n, math.nan)
        reference = p.sum(axis=0)
        producer = np.where(reference > 0, np.diag(p) / reference, math.nan)
        spread = np.where(n > 1, n - 1, math.nan)
        user_variance = user * (1 - user) / spread
        within = np.where(n[:, None] > 1, share * (1 - share) / spread[:, None], 0.0)
        overall_variance = float(np.nansum(weight**2 * user_variance))
        others = (mapped[:, None] ** 2 * within).sum(axis=0) - mapped**2 * np.diag(within)
        total = mapped.sum() * reference  # N_.j
        producer_variance = (
            mapped**2 * (1 - producer) ** 2 * np.nan_to_num(user_variance) + producer**2 * others
        ) / total**2
        error = np.sqrt((weight[:, None] ** 2 * within).sum(axis=0))
    area = mapped.sum() * reference
    return Accuracy(
        counts, (float(np.diag(p).sum()), Z * math.sqrt(overall_variance)), (user, Z * np.sqrt(user_variance)),
        (producer, Z * np.sqrt(producer_variance)), (area, Z * mapped.sum() * error),
    )  # fmt: skip


def read_legend(path: Path, class_names: Sequence[str]) -> dict[int, str]:
    """Read which class a value of a reference is: ``1: Forest``, or ``Forest: [1, 2]``; what is not named is ignored.

    Raises:
        UserError: for a file that is no such mapping, or names a class that the model does not have.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"--legend {path}: cannot be read ({str(error).splitlines()[0]}).") from None
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"--legend {path}: it must say what values mean, e.g. `1: {class_names[0]}`, a line each.")
    legend: dict[int, str] = {}
    for key, value in content.items():
        by_value = isinstance(value, str) and (
            class_label(value) in class_names or not (_WHOLE.fullmatch(value) or class_label(key) in class_names)
        )
        name, numbers = (value, [key]) if by_value else (key, value if isinstance(value, list) else [value])
        if (name := class_label(name)) not in class_names:
            raise UserError(f"--legend {path}: {name!r} is no class of the model: {', '.join(class_names)}.")
        for number in numbers:
            if not isinstance(number, str) or not _WHOLE.fullmatch(number):
                raise UserError(f"--legend {path}: {number!r} is no value of a raster; values are whole numbers.")
            if legend.setdefault(int(number), name) != name:
                raise UserError(f"--legend {path}: value {number} is both {legend[int(number)]} and {name}.")
    return legend


def compare(classes: Path, reference: Path, legend: Mapping[int, str], class_names: Sequence[str]) -> np.ndarray:
    """Count pixels of a map by its class and the reference's, int64 ``[K, K]``.

    The finer of both grids decides: the reference is brought to the map's by the nearest pixel, the map to the
    reference's where that is finer, so that every pixel of the reference counts.

    Args:
        classes: the ``classes.tif``.
        reference: raster with values of the legend, in any CRS.
        legend: class of each value.
        class_names: of the model.

    Raises:
        UserError: for a reference without a CRS, or away from the map.
    """
    table = np.full(65_536, _OTHER, np.int16)
    for value, name in legend.items():
        if 0 <= value < len(table):
            table[value] = class_names.index(name)
    counts = np.zeros((len(class_names), len(class_names)), np.int64)
    with reading(str(reference)), rasterio.open(classes) as ours, open_raster(reference) as theirs:
        if ours.crs is None or theirs.crs is None:
            raise UserError(f"--reference {reference}: the scene and the reference need a coordinate reference system.")
        if theirs.dtypes[0] not in ("uint8", "uint16", "int16", "int32", "uint32"):
            raise UserError(f"--reference {reference}: its values are {theirs.dtypes[0]}, not whole numbers.")
        fine = ours.crs == theirs.crs and abs(theirs.transform.a) < abs(ours.transform.a)
        base, moved = (theirs, ours) if fine else (ours, theirs)
        with WarpedVRT(moved, crs=base.crs, transform=base.transform, height=base.height, width=base.width,
                       resampling=Resampling.nearest, nodata=255 if fine else theirs.nodata) as warped:  # fmt: skip
            for start in range(0, base.height, 1024):
                window = rasterio.windows.Window(0, start, base.width, min(1024, base.height - start))
                mapped = (warped if fine else ours).read(1, window=window)
                truth = (theirs if fine else warped).read(1, window=window)
                inside = (theirs if fine else warped).read_masks(1, window=window) > 0
                _count(counts, mapped, np.where(inside, table[np.clip(truth, 0, len(table) - 1)], _OTHER))
    if not counts.any():
        raise UserError(f"--reference {reference}: no pixel of it that the legend names is on the map.")
    return counts


def _count(counts: np.ndarray, mapped: np.ndarray, truth: np.ndarray) -> None:
    classes = len(counts)
    both = (mapped < classes) & (truth != _OTHER)
    pairs = mapped[both].astype(np.int64) * classes + truth[both]
    counts += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def accuracy_text(found: Accuracy, class_names: Sequence[str]) -> str:
    """Write a comparison as CSV: the matrix, map in rows and reference in columns, and beside it what follows."""
    head = [
        "map \\ reference",
        *class_names,
        "users_accuracy",
        "+-",
        "producers_accuracy",
        "+-",
        "adjusted_hectares",
        "+-",
    ]
    rows = [
        [
            name,
            *map(str, found.counts[k]),
            *_pair(found.user, k, 4),
            *_pair(found.producer, k, 4),
            *_pair(found.areas, k, 2),
        ]
        for k, name in enumerate(class_names)
    ]
    overall = ["overall accuracy", *[""] * len(class_names), f"{found.overall[0]:.4f}", f"{found.overall[1]:.4f}"]
    return harmless_csv(head, [*rows, [*overall, *[""] * 4]])


def _pair(values: tuple[Any, Any], k: int, digits: int) -> list[str]:
    return ["" if math.isnan(part[k]) else f"{part[k]:.{digits}f}" for part in values]
