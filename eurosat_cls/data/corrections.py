"""Labels that somebody has corrected."""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from os.path import splitext
from pathlib import Path
from unicodedata import normalize

import numpy as np

from eurosat_cls.data.store.store import Store, class_counts
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.limits import read_rows
from eurosat_cls.utils.names import did_you_mean, nearest, some

VERDICTS = ("right", "wrong", "unclear")  # on the given label
_log = logging.getLogger(__name__)


def corrected(store: Store, path: Path) -> Store:
    """Return a store with the labels of a table; the patches are not decoded again.

    The table is what the page of ``audit`` saves, of which the rows with the verdict ``wrong`` get the ``suggested``
    label; or it has the columns ``file`` and ``label``. A file's extension does not matter.

    Args:
        store: the patches, with one label each.
        path: CSV in UTF-8.

    Raises:
        UserError: for a table that cannot be read or is of other data, for unknown files, classes and verdicts, for a
            file that is there twice, and where a class would be left without a patch.
    """
    if store.multilabel:
        raise UserError("data.labels: corrections are for patches with one label each, not for several")
    wanted = _wanted(path)
    rows = {_key(file): row for row, file in enumerate(store.files)}
    if unknown := [file for file in wanted if _key(file) not in rows]:
        hint = f"; is the table of other data than {store.source}?" if len(unknown) == len(wanted) else ""
        raise UserError(f"{path}: the data lack {len(unknown)} of its {len(wanted)} files: {some(unknown)}{hint}")
    count = Counter(_key(file) for file in wanted)
    if twice := [file for file in wanted if count[_key(file)] > 1]:
        raise UserError(f"{path}: the same patch is there twice: {some(twice)}")
    labels, classes = store.labels.copy(), {name: label for label, name in enumerate(store.class_names)}
    for file, (given, label) in wanted.items():
        row = rows[_key(file)]
        for name in {given, label} - {*classes, None}:
            meant = did_you_mean(nearest(str(name), classes))
            raise UserError(f"{path}: {file}: the data have no class {name!r}.{meant}")
        if given is not None and labels[row] != classes[given]:
            there = store.class_names[int(labels[row])]
            raise UserError(
                f"{path}: {file} is {given} there and {there} in {store.source}: the table is of other data"
            )
        labels[row] = classes[label]
    changed = int((labels != store.labels).sum())
    if lost := [name for name, n in zip(classes, class_counts(labels, len(classes)), strict=True) if not n]:
        raise UserError(f"{path}: leaves no patch of class {', '.join(lost)}")
    if changed:
        _log.warning("data.labels: %d of %d patches have another label than in %s", changed, len(labels), store.source)
    else:
        _log.warning("data.labels: %s has no effect: it changes no label", path)
    return replace(store, labels=labels)


def digest_of_labels(store: Store) -> str:
    """Return a few letters that tell these labels from others."""
    return hashlib.sha256(np.ascontiguousarray(store.labels).tobytes()).hexdigest()[:12]


def _wanted(path: Path) -> Mapping[str, tuple[str | None, str]]:
    """Return by file the label that the table was made for, where it says so, and the one to take."""
    rows = read_rows(path)
    if not rows:
        raise UserError(f"{path}: has no rows; columns are file and label, or as of audit")
    columns = set(rows[0])
    plain = "label" in columns
    if missing := sorted(({"file", "label"} if plain else {"file", "given", "suggested", "verdict"}) - columns):
        raise UserError(f"{path}: has no column {' and no '.join(missing)}; columns are file and label, or as of audit")
    found: dict[str, tuple[str | None, str]] = {}
    for row in rows:
        file, verdict = row["file"], "wrong" if plain else row["verdict"].strip().lower()
        if verdict not in (*VERDICTS, ""):
            raise UserError(f"{path}: {file}: the verdict {verdict!r} is none of {', '.join(VERDICTS)}, nor empty")
        if verdict != "wrong":
            continue
        if file in found:
            raise UserError(f"{path}: {file} is there twice")
        found[file] = (None, row["label"]) if plain else (row["given"], row["suggested"])
    return found


def _key(file: str) -> str:
    return normalize("NFC", splitext(file)[0])
