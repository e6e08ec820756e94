"""Divide patches into train, val and test: by a hash of their names, or by list files."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eurosat_cls.data.tree import stem_of
from eurosat_cls.errors import UserError

PARTS = ("train", "val", "test")
_MAX_LISTED = 5


@dataclass(frozen=True)
class Split:
    """A division of a store's patches.

    Attributes:
        train: int64 positions in the store, ascending.
        val: likewise.
        test: likewise.
        sha256: over the sorted lines ``part<TAB>stem``; the same for the same division, whatever the files' order,
            folder or extension.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    sha256: str

    def parts(self) -> dict[str, np.ndarray]:
        """Return ``{"train": ..., "val": ..., "test": ...}``."""
        return {"train": self.train, "val": self.val, "test": self.test}


def random_split(
    files: Sequence[str], labels: np.ndarray, fractions: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 42
) -> Split:
    """Draw a stratified split that is the same on every machine.

    Inside a class, patches are ordered by the SHA-256 of ``"<seed>:<stem>"``. So neither the files' order nor a
    library's random generator plays a role, and JPEG and TIFF files of one patch land in one part.

    Args:
        files: ``[N]`` names such as ``"River/River_7.jpg"``.
        labels: ``[N]`` integers.
        fractions: of train, val and test; positive, with a sum of at most 1.
        seed: picks the draw.

    Raises:
        UserError: for bad fractions.
    """
    assert len(files) == len(labels)
    valid = len(fractions) == 3 and all(0 < fraction < 1 for fraction in fractions)  # false for NaN too
    if not valid or sum(fractions) > 1 + 1e-6:
        raise UserError(f"split fractions are {list(fractions)}, expected three positive numbers that sum to at most 1")
    by_class: defaultdict[int, list[tuple[bytes, str, int]]] = defaultdict(list)
    for index, (file, label) in enumerate(zip(files, np.asarray(labels).tolist(), strict=True)):
        stem = stem_of(file)
        by_class[label].append((hashlib.sha256(f"{seed}:{stem}".encode()).digest(), stem, index))
    chosen: dict[str, list[int]] = {part: [] for part in PARTS}
    ends = [sum(fractions[: i + 1]) for i in range(3)]
    for members in by_class.values():
        members.sort()
        start = 0
        for part, end_fraction in zip(PARTS, ends, strict=True):
            end = min(len(members), int(len(members) * end_fraction + 0.5 + 1e-6))
            chosen[part] += [index for _, _, index in members[start:end]]
            start = end
    return _split(files, chosen)


def read_split_lists(pattern: str | Path, files: Sequence[str], skipped: Collection[str] = ()) -> Split:
    """Read a split from three text files with a file name in each line.

    Lines may carry the class folder and an extension or not; ``.jpg`` and ``.tif`` mean the same patch.

    Args:
        pattern: path with ``{}`` in the place of train, val and test, or a folder with one set of ``*train.txt``,
            ``*val.txt`` and ``*test.txt``.
        files: ``[N]`` names such as ``"River/River_7.jpg"``; those that no list names belong to no part.
        skipped: names that the lists may contain although ``files`` lacks them (a store's ``skipped``).

    Raises:
        UserError: for a missing, unreadable or empty list, unknown or doubtful names, duplicates, overlapping lists.
    """
    paths = _list_paths(str(pattern))
    positions: defaultdict[str, list[int]] = defaultdict(list)
    for index, file in enumerate(files):
        folder = file.rsplit("/", 2)[-2] + "/" if "/" in file else ""
        for key in {stem_of(file), folder + stem_of(file)}:
            positions[key].append(index)
    known_bad = {stem_of(file) for file in skipped}
    chosen: dict[str, list[int]] = {}
    owner: dict[int, Path] = {}
    for part, path in paths.items():
        keys = _read_list(path)
        keys = [key for key in keys if key in positions or stem_of(key) not in known_bad]
        if unknown := [key for key in keys if len(positions.get(key, ())) != 1]:
            kind = "doubtful names (add the class folder)" if unknown[0] in positions else "names that the data lacks"
            raise UserError(f"{path}: {len(unknown)} {kind}: {_some(unknown)}")
        chosen[part] = [positions[key][0] for key in keys]
        if twice := [files[index] for index, count in Counter(chosen[part]).items() if count > 1]:
            raise UserError(f"{path}: {len(twice)} files named more than once: {_some(twice)}")
        if both := [index for index in chosen[part] if index in owner]:
            names = _some([files[index] for index in both])
            raise UserError(f"{path} and {owner[both[0]]} overlap in {len(both)} files: {names}")
        owner |= dict.fromkeys(chosen[part], path)
    return _split(files, chosen)


def check_classes(split: Split, labels: np.ndarray, class_names: Sequence[str]) -> None:
    """Raise ``UserError`` unless every part of the split has patches of every class."""
    for part, indices in split.parts().items():
        counts = np.bincount(labels[indices], minlength=len(class_names))
        if missing := [name for name, count in zip(class_names, counts, strict=True) if not count]:
            raise UserError(f"the {part} part of the split has no patch of class {', '.join(missing)}")


def _split(files: Sequence[str], chosen: dict[str, list[int]]) -> Split:
    lines = sorted(f"{part}\t{stem_of(files[index])}" for part in PARTS for index in chosen[part])
    train, val, test = (np.sort(np.array(chosen[part], dtype=np.int64)) for part in PARTS)
    return Split(train, val, test, hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest())


def _list_paths(pattern: str) -> dict[str, Path]:
    """Find the three list files of a pattern or a folder."""
    if "{}" in pattern:
        return {part: Path(pattern.replace("{}", part)).expanduser() for part in PARTS}
    folder = Path(pattern).expanduser()
    if not folder.is_dir():
        raise UserError(f"split {pattern} is neither a folder nor a pattern like lists/eurosat-{{}}.txt")
    starts = [{path.name.removesuffix(f"{part}.txt") for path in folder.glob(f"*{part}.txt")} for part in PARTS]
    complete = sorted(set.intersection(*starts))
    if len(complete) == 1:
        return {part: folder / f"{complete[0]}{part}.txt" for part in PARTS}
    if not complete:
        raise UserError(f"split folder {folder} has no set of <name>train.txt, <name>val.txt and <name>test.txt")
    choices = " or ".join(str(folder / f"{start}{{}}.txt") for start in complete)
    raise UserError(f"split folder {folder} holds several sets of lists: choose one by its pattern, {choices}")


def _read_list(path: Path) -> list[str]:
    """Return the names in a list without extension, ``"River_7"`` or ``"River/River_7"``."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise UserError(f"cannot read the split list {path}: {reason}") from error
    names = [line.strip().replace("\\", "/") for line in lines if line.strip()]
    if not names:
        raise UserError(f"the split list {path} is empty")
    return ["/".join([*name.split("/")[-2:-1], stem_of(name)]) for name in names]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MAX_LISTED]) + (", ..." if len(names) > _MAX_LISTED else "")
