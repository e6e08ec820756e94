"""Splits from text files that list the patches of each part."""

import logging
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from eurosat_cls.data.files.tree import stem_of
from eurosat_cls.data.splits.base import PARTS, Split, SplitMethod, make_split
from eurosat_cls.data.store.store import Store
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import reading
from eurosat_cls.utils.names import some

_log = logging.getLogger(__name__)


class SplitLists(SplitMethod):
    """Read a split from three text files with a file name in each line, as :func:`read_split_lists` does.

    Args:
        path: path with ``{}`` in the place of train, val and test, or a folder with one set of ``*train.txt``,
            ``*val.txt`` and ``*test.txt``.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path

    def divide(self, store: Store) -> Split:
        """Divide the patches of ``store``; those that no list names belong to no part."""
        return read_split_lists(self.path, store.files, store.skipped)


def read_split_lists(pattern: str | Path, files: Sequence[str], skipped: Collection[str] = ()) -> Split:
    """Read a split from three text files with a file name in each line; ``pattern`` is the path of :class:`SplitLists`.

    Lines may carry the class folder and an extension or not; ``.jpg`` and ``.tif`` mean the same patch. Of ``files``,
    such as ``"River/River_7.jpg"``, those that no list names belong to no part. The lists may contain what was
    ``skipped``.

    Raises:
        UserError: for a missing, unreadable or empty list, unknown or doubtful names, duplicates, overlapping lists.
    """
    lists = {path: _read_list(path) for path in _list_paths(str(pattern))}
    return _split(lists, files, skipped, "lists")


def published_split(paths: Sequence[Path], files: Sequence[str], skipped: Collection[str], method: str) -> Split:
    """Read the split of a published data set for data that may be a part of it.

    How many patches the lists name that the data lack, and the other way round, is logged as a warning.

    Raises:
        UserError: as :func:`read_split_lists`, but for unknown names only when a list has no others.
    """
    present = {stem_of(file) for file in files}
    bad = {stem_of(file) for file in skipped}
    lists, listed, absent = {}, 0, 0
    for path in paths:
        keys = [key for key in _read_list(path) if stem_of(key) not in bad]
        lists[path] = [key for key in keys if stem_of(key) in present]
        if not lists[path]:
            few = f"the data have none of its {len(keys)} patches, such as {some(keys[:2])}"
            raise UserError(f"{path}: {few}: they are other data, or too small a part of these")
        listed, absent = listed + len(keys), absent + len(keys) - len(lists[path])
    split = _split(lists, files, (), method)
    if absent:
        _log.warning("%s split: the data lack %d of the %d patches in its lists", method, absent, listed)
    if unlisted := len(files) - sum(len(rows) for rows in split.parts().values()):
        _log.warning("%s split: its lists lack %d of the %d patches in the data", method, unlisted, len(files))
    return split


def _split(lists: Mapping[Path, list[str]], files: Sequence[str], skipped: Collection[str], method: str) -> Split:
    """Find the files of train, val and test by the keys in their lists, which come in this order."""
    positions: defaultdict[str, list[int]] = defaultdict(list)
    for index, file in enumerate(files):
        for key in {stem_of(file), _key(file)}:
            positions[key].append(index)
    known_bad = {stem_of(file) for file in skipped}
    chosen: dict[str, list[int]] = {}
    owner: dict[int, Path] = {}
    for part, (path, listed) in zip(PARTS, lists.items(), strict=True):
        keys = [key for key in listed if key in positions or stem_of(key) not in known_bad]
        if unknown := [key for key in keys if len(positions.get(key, ())) != 1]:
            kind = "doubtful names (add the class folder)" if unknown[0] in positions else "names that the data lacks"
            raise UserError(f"{path}: {len(unknown)} {kind}: {some(unknown)}")
        chosen[part] = [positions[key][0] for key in keys]
        if twice := [files[index] for index, count in Counter(chosen[part]).items() if count > 1]:
            raise UserError(f"{path}: {len(twice)} files named more than once: {some(twice)}")
        if both := [index for index in chosen[part] if index in owner]:
            names = some([files[index] for index in both])
            raise UserError(f"{path} and {owner[both[0]]} overlap in {len(both)} files: {names}")
        owner |= dict.fromkeys(chosen[part], path)
    return make_split(files, chosen, method)


def _list_paths(pattern: str) -> list[Path]:
    """Find the three list files of a pattern or a folder."""
    if "{}" in pattern:
        return [Path(pattern.replace("{}", part)).expanduser() for part in PARTS]
    folder = Path(pattern).expanduser()
    if not folder.is_dir():
        raise UserError(f"split {pattern} is neither a folder nor a pattern like lists/eurosat-{{}}.txt")
    starts = [{path.name.removesuffix(f"{part}.txt") for path in folder.glob(f"*{part}.txt")} for part in PARTS]
    complete = sorted(set.intersection(*starts))
    if len(complete) == 1:
        return [folder / f"{complete[0]}{part}.txt" for part in PARTS]
    if not complete:
        raise UserError(f"split folder {folder} has no set of <name>train.txt, <name>val.txt and <name>test.txt")
    choices = " or ".join(str(folder / f"{start}{{}}.txt") for start in complete)
    raise UserError(f"split folder {folder} holds several sets of lists: choose one by its pattern, {choices}")


def _read_list(path: Path) -> list[str]:
    """Return the names in a list without extension, ``"River_7"`` or ``"River/River_7"``."""
    with reading(path):
        content = path.read_bytes()
        lines = content.decode("utf-8-sig", "strict" if b"\0" in content else "surrogateescape").splitlines()
    names = [line.strip().replace("\\", "/") for line in lines if line.strip()]
    if not names:
        raise UserError(f"the split list {path} is empty")
    return [_key(name) for name in names]


def _key(file: str) -> str:
    """The base name without extension, after the folder that it is in."""
    return unicodedata.normalize("NFC", "/".join([*file.split("/")[-2:-1], stem_of(file)]))
