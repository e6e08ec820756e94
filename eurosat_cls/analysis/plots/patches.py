"""Patches of every class."""

from collections.abc import Sequence

import numpy as np

from eurosat_cls.analysis.plots.colour import colour_name, displayed, stretch_limits, to_rgb
from eurosat_cls.analysis.plots.gallery import Row, draw_gallery
from eurosat_cls.analysis.plots.labels import label_text
from eurosat_cls.data.store.store import class_counts

MOST_CLASSES = 20
_PER_CLASS, _PER_CLASS_OF_MANY = 8, 4
_CLASSES_IN_COLUMN = 10


def choose_patches(labels: np.ndarray, rows: np.ndarray, num_classes: int) -> list[tuple[int, np.ndarray]]:
    """Choose patches of each class, evenly spread over the positions ``rows``.

    At most 8 of each class that has any, 4 where there are more than 10 classes; of more than 20 classes the 20 most
    frequent ones. ``labels`` are ``[N]`` int64, or ``[N, K]`` uint8 for several labels per patch.

    Returns:
        Classes and the positions of their patches.
    """
    counts = np.array(class_counts(labels[rows], num_classes))
    shown = np.sort(np.argsort(-counts, kind="stable")[:MOST_CLASSES])
    most = _PER_CLASS if num_classes <= _CLASSES_IN_COLUMN else _PER_CLASS_OF_MANY
    chosen = []
    for k in shown[counts[shown] > 0].tolist():
        members = rows[labels[rows, k] > 0] if labels.ndim == 2 else rows[labels[rows] == k]
        chosen.append((k, members[np.linspace(0, len(members) - 1, min(most, len(members))).round().astype(int)]))
    return chosen


def draw_patches(
    images: Sequence[np.ndarray],
    classes: Sequence[int],
    captions: Sequence[Sequence[str]],
    class_names: Sequence[str],
    bands: Sequence[str],
) -> np.ndarray:
    """Draw a row of patches for each class, all stretched alike, so that classes compare.

    ``classes`` are positions in ``class_names``; ``images`` and ``captions`` have an entry for each class.
    """
    channels = displayed(bands)
    low, high = stretch_limits(np.concatenate(list(images))[:, channels])
    rows = [
        Row(class_names[k], to_rgb(group[:, channels], low, high), texts)
        for k, group, texts in zip(classes, images, captions, strict=True)
    ]
    note = f"{colour_name(bands)}, stretched alike between the 2nd and 98th percentile"
    if len(rows) < len(class_names):
        note += f"; the {len(rows)} of {len(class_names)} classes with most patches"
    return draw_gallery("Training patches by class", rows, note, 1 if len(rows) <= _CLASSES_IN_COLUMN else 2)


def caption_of(file: str, label: np.ndarray, class_names: Sequence[str]) -> str:
    """Return what to write below a patch: its labels where there can be several, else what its file adds to them.

    Example:
        >>> caption_of("River/River_12.jpg", np.array(1), ["Forest", "River"])
        '12'
        >>> caption_of("a/b.jpg", np.array([1, 1]), ["Forest", "River"])
        'Forest, River'
    """
    if label.ndim:
        return label_text(label, class_names, multilabel=True)
    stem = file.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return stem.removeprefix(class_names[int(label)]).lstrip("_- ") or stem
