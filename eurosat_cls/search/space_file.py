"""Read the space of a search from where it was given: a YAML file, a list of overlays, or seeds."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eurosat_cls.config.files import read_value
from eurosat_cls.config.tree import plain
from eurosat_cls.search.space import MOST_COMBINATIONS, Choice, Entry, Params, Range, Space, read_node
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import reading

SEED = "seed_everything"
LARGEST_SEED = 2**32 - 1


def _read(path: Path) -> Any:
    with reading(path):
        text = path.read_text(encoding="utf-8")
    return plain(read_value(text, str(path), lines=True))


def read_space(path: Path) -> Space:
    """Read a space file: a mapping from dotted keys of the configuration to ranges and lists of values.

    Raises:
        UserError: for a file that cannot be read or holds nothing, and for what is wrong in it, naming the key.
    """
    content = _read(path)
    if not content:
        raise UserError(f"{path}: is empty; write lines such as `trainer.max_epochs: {{low: 5, high: 20}}`.")
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no keys of the configuration.")
    entries = [_entry(str(key), value, path) for key, value in content.items()]
    entries.sort(key=lambda entry: len(entry.path))
    for number, outer in enumerate(entries):
        for inner in entries[number + 1 :]:
            _check_nested(outer, inner, path)
    return Space(entries)


def _entry(key: str, value: Any, path: Path) -> Entry:
    if not re.fullmatch(r"[^.\s]+(\.[^.\s]+)*", key):
        raise UserError(f"{path}: {key!r} is no dotted key of the configuration.")
    if isinstance(value, dict) and value and not {"low", "high", "choices"} & set(value):
        raise UserError(f"{path}: {key}: write the dotted key in full, such as {key}.{next(iter(value))}.")
    return Entry(tuple(key.split(".")), key, read_node(value, f"{path}: {key}"))


def _check_nested(outer: Entry, inner: Entry, path: Path) -> None:
    """Refuse a key inside of another one whose values have no inside."""
    if inner.path[: len(outer.path)] != outer.path:
        return
    plain = not isinstance(outer.varies, Choice) or not all(isinstance(o, dict) for o in outer.varies.options.values())
    if plain or len(inner.path) == len(outer.path):
        raise UserError(f"{path}: {inner.name} lies inside of {outer.name}, which is not a mapping in every case.")


def read_overlays(paths: Sequence[Path]) -> Space:
    """Return the space whose points are these configuration files, by their names.

    Raises:
        UserError: for files that cannot be read, hold no settings, or are named twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise UserError("--overlays: the same file is named twice.")
    stems = [path.stem for path in paths]
    options: dict[Any, Any] = {}
    for path in paths:
        content = _read(path)
        if not isinstance(content, dict):
            raise UserError(f"{path}: holds no settings.")
        options[path.stem if stems.count(path.stem) == 1 else str(path)] = content
    return Space([Entry((), "overlay", Choice(options))])


def read_seeds(text: str) -> tuple[Space, list[Params]]:
    """Return the space of seeds, and the seeds of a text as its points.

    The space is that of all seeds, so that a sweep can be continued with more of them.

    Args:
        text: numbers and ranges, joined by commas.

    Raises:
        UserError: for anything else.

    Example:
        >>> read_seeds("0-2,7")[1]
        [{'seed_everything': 0}, {'seed_everything': 1}, {'seed_everything': 2}, {'seed_everything': 7}]
    """
    seeds: list[int] = []
    for part in text.split(","):
        if not (found := re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)):
            raise UserError(f"--seeds: {part!r} is neither a whole number nor a range such as 0-4.")
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last <= LARGEST_SEED:
            raise UserError(f"--seeds: {part!r} does not rise, or goes beyond {LARGEST_SEED}.")
        if last - first >= MOST_COMBINATIONS:
            raise UserError(f"--seeds: {part!r} are more than {MOST_COMBINATIONS:,} trainings.")
        seeds += range(first, last + 1)
    if twice := [seed for seed in seeds if seeds.count(seed) > 1]:
        raise UserError(f"--seeds: {twice[0]} is there twice.")
    return Space([Entry((SEED,), SEED, Range(0, LARGEST_SEED))]), [{SEED: seed} for seed in seeds]
