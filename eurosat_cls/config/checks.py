"""What the parser lets pass, and nobody can mean."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from eurosat_cls.config.jsonargparse_private import import_object, linked_keys
from eurosat_cls.config.mistakes import Mistake, abstract
from eurosat_cls.config.settings import Setting, alternatives, class_settings, settings_of, shown
from eurosat_cls.config.tree import Node, Path, dotted


def check(parser: Any, tree: Node, parsed: dict[str, Any]) -> str | None:
    """Look for settings that would be overwritten, abstract classes, values for groups, null and numbers without sense.

    Args:
        parser: the jsonargparse parser of the command.
        tree: the configuration as it was given.
        parsed: what the parser made of it, as plain data.

    Returns:
        One or two lines about the first such mistake; None where there is none.
    """
    groups = {key.partition(".")[0] for key in settings_of(parser) if "." in key}
    for key, child in tree.value.items():
        if key in groups and child.mapping is None:
            return Mistake((key,), f"expected keys and values, got {shown(child.value)}.").message(tree)
    mistake = _search(tree, parsed, (), linked_keys(parser)) or check_ranges(parsed)
    return None if mistake is None else mistake.message(tree)


def _search(node: Node, parsed: Any, path: Path, linked: set[str]) -> Mistake | None:
    if dotted(path) in linked:
        return Mistake(path, "follows from the data and cannot be set.")
    class_path = parsed.get("class_path") if isinstance(parsed, dict) else None
    if isinstance(class_path, str) and (mistake := _check_class(node, class_path, path)) is not None:
        return mistake
    if isinstance(node.value, dict) and isinstance(parsed, dict):
        inside = [(child, parsed.get(key), (*path, key)) for key, child in node.value.items()]
    elif isinstance(node.value, list) and isinstance(parsed, list):
        inside = [(child, item, (*path, n)) for n, (child, item) in enumerate(zip(node.value, parsed, strict=False))]
    else:
        inside = []
    found = (_search(child, value, where, linked) for child, value, where in inside)
    return next(filter(None, found), None)


def _check_class(node: Node, class_path: str, path: Path) -> Mistake | None:
    cls = import_object(class_path)  # it has been imported so when it was parsed
    if inspect.isabstract(cls):
        return Mistake(path, abstract(cls))
    arguments = node.value.get("init_args") if isinstance(node.value, dict) else None
    if arguments is None or arguments.mapping is None:
        return None
    for key in [key for key, child in arguments.mapping.items() if child.value in (None, "null")]:
        setting = class_settings(cls).get(key)
        if setting is not None and not _takes_none(setting):
            default = "" if setting.required else f" Leave it out for {setting.default!r}."
            return Mistake((*path, "init_args", key), f"null has no meaning for {cls.__name__}.{default}")
    return None


def _takes_none(setting: Setting) -> bool:
    return setting.type in (Any, object) or setting.default is None or type(None) in alternatives(setting.type)


class Range(NamedTuple):
    """Numbers from ``least`` to ``most``; with ``share``, a float is a part of a whole, and an int a count."""

    least: float
    most: float = float("inf")
    share: bool = False

    def holds(self, number: float) -> bool:
        """Whether a number is in it; what is no number is left to others."""
        most = min(self.most, 1.0) if self.share and isinstance(number, float) else self.most
        return self.least <= number <= most

    def __str__(self) -> str:
        if self.share:
            return "a part from 0.0 to 1.0, or a whole number"
        return f"at least {self.least:g}" if self.most == float("inf") else f"from {self.least:.0f} to {self.most:.0f}"


_PART = Range(0.0, share=True)


def check_ranges(parsed: Mapping[str, Any]) -> Mistake | None:
    """Find the first number of a parsed configuration that nothing can be done with."""
    for path, allowed in RANGES.items():
        number: Any = parsed
        for key in path:
            number = number.get(key) if isinstance(number, Mapping) else None
        if isinstance(number, (int, float)) and not isinstance(number, bool) and not allowed.holds(number):
            return Mistake(path, f"must be {allowed}, got {shown(number)}.")
    return None


RANGES: dict[Path, Range] = {
    ("seed_everything",): Range(0, 2**32 - 1),
    ("trainer", "accumulate_grad_batches"): Range(1),
    ("trainer", "check_val_every_n_epoch"): Range(1),
    ("trainer", "fast_dev_run"): Range(0),
    ("trainer", "gradient_clip_val"): Range(0),
    ("trainer", "limit_predict_batches"): _PART,
    ("trainer", "limit_test_batches"): _PART,
    ("trainer", "limit_train_batches"): _PART,
    ("trainer", "limit_val_batches"): _PART,
    ("trainer", "log_every_n_steps"): Range(0),
    ("trainer", "max_epochs"): Range(-1),
    ("trainer", "max_steps"): Range(-1),
    ("trainer", "min_epochs"): Range(0),
    ("trainer", "min_steps"): Range(0),
    ("trainer", "num_nodes"): Range(1),
    ("trainer", "num_sanity_val_steps"): Range(-1),
    ("trainer", "overfit_batches"): _PART,
    ("trainer", "reload_dataloaders_every_n_epochs"): Range(0),
    ("trainer", "val_check_interval"): Range(1e-9, share=True),
}
