"""Short names for what varies, and short texts for its values."""

import re
from collections.abc import Iterable

from eurosat_cls.search.space import Scalar


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return for each dotted name the shortest end of it that tells it from the others.

    Example:
        >>> list(short_names(["model.init_args.optimizer[SGD].init_args.lr", "data.init_args.batch_size"]).values())
        ['lr', 'batch_size']
        >>> list(short_names(["model.init_args.optimizer.class_path", "a[SGD].init_args.lr", "a[Adam].lr"]).values())
        ['optimizer', 'a[SGD].lr', 'a[Adam].lr']
    """
    parts = {name: _parts(name) for name in names}
    short: dict[str, str] = {}
    for name, own in parts.items():
        others = [other for other_name, other in parts.items() if other_name != name]
        length = next((n for n in range(1, len(own)) if not any(o[-n:] == own[-n:] for o in others)), len(own))
        short[name] = ".".join(own[-length:])
    return short


def _parts(name: str) -> list[str]:
    found = re.split(r"\.(?![^\[]*\])", name)
    return [part for part in found if part not in ("init_args", "class_path")] or found


def told(value: Scalar) -> str:
    """Write a value in a few letters.

    Example:
        >>> told(0.00123456), told(8), told(True), told(None)
        ('0.001235', '8', 'true', 'null')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)
