"""Which known name a person meant by an unknown one."""

import difflib
from collections.abc import Collection, Iterable, Sequence


def nearest(name: str, known: Iterable[str], count: int = 1, cutoff: float = 0.6) -> list[str]:
    """Return the known names that are spelt most alike, whatever their case, the nearest first.

    Args:
        name: the unknown one.
        known: those that there are.
        count: how many to return at most.
        cutoff: from 0 for any to 1 for equal ones, as difflib's ``get_close_matches`` has it.

    Example:
        >>> nearest("resnet5", ["vgg11", "ResNet50", "ResNet18"], 2)
        ['ResNet50', 'ResNet18']
    """
    spelt: dict[str, str] = {}
    for each in known:
        spelt.setdefault(each.lower(), each)
    return [spelt[match] for match in difflib.get_close_matches(name.lower(), spelt, count, cutoff)]


def did_you_mean(near: Collection[str]) -> str:
    """Return the sentence that asks for the near names, with a space before it; nothing where there are none.

    Example:
        >>> did_you_mean(["lr", "lrs"])
        " Did you mean 'lr' or 'lrs'?"
    """
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def some(names: Sequence[str], most: int = 5) -> str:
    """List the first few names."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
