"""Which known name a person meant by an unknown one."""

import difflib
import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path


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


def own_name(source: str, identity: str) -> str:
    """Return a name for what is made of a source, which is that of no other, and can be part of a path.

    Args:
        source: as a person calls it.
        identity: what tells it from others of that name.

    Example:
        >>> own_name("scenes/a b.tif", "/home/scenes/a b.tif"), own_name("scenes/*.tif", "/home/scenes/*.tif")
        ('a_b_795bb7', 'scenes_2c9e66')
    """
    parts = (re.sub(r"[^\w-]+", "_", part).strip("_")[:40] for part in (Path(source).stem, Path(source).parent.name))
    digest = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:6]
    return f"{next(filter(None, parts), 'data')}_{digest}"
