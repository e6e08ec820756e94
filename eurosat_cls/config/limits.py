"""Wall: how large settings may be, wherever they come from: files, text inside options and values, checkpoints.

Nothing has more than so many values once its aliases, merges and
references are written out, nothing is nested deeper, and no text grows longer than a file may be.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from eurosat_cls.utils.errors import UserError

MOST_BYTES = 2**20
MOST_VALUES = 20_000  # of a configuration, after aliases and references are written out
LARGEST = 100_000  # values in a checkpoint's settings, class names and counts included
DEEPEST = 64
MOST_REFERENCES = 100  # that lead from one to the next
LONGEST_NUMBER = 64  # bits of a whole number


class TooLarge(UserError):
    """Something is beyond a limit, which no reading in another way mends."""


def check_size(value: Any, where: str, most: int = LARGEST) -> None:
    """Refuse nested data that are small in a file, by references or aliases, and endless when one walks through them.

    Raises:
        UserError: for more than so many values, or deeper ones than :data:`DEEPEST`.
    """
    for _ in walk(value, where, most):
        pass


def walk(value: Any, where: str, most: int = LARGEST) -> Iterator[Any]:
    """Yield mappings, lists and values, mappings before what they hold.

    Raises:
        UserError: as :func:`check_size`.
    """
    waiting, seen = [(value, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if seen > most or depth > DEEPEST:
            raise UserError(f"{where}: refused, there are more than {most:,} settings in it, or some {DEEPEST} deep.")
        value = vars(value) if isinstance(value, argparse.Namespace) else value
        yield value
        items: Iterable[Any] = value.values() if isinstance(value, Mapping) else ()
        items = value if isinstance(value, (list, tuple)) else items
        waiting.extend((item, depth + 1) for item in items)


def plain_mapping(value: Any) -> Any:
    """Return what a namespace of a parser holds; anything else as it is."""
    return vars(value) if isinstance(value, argparse.Namespace) else value
