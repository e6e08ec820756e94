"""The trials of a study as rows of a table, with short names for what varies."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from eurosat_cls.search.queue import counts
from eurosat_cls.search.space import Scalar


@dataclass(frozen=True)
class Row:
    """A trial that counts.

    Attributes:
        number: the study's number of it.
        state: ``complete``, ``pruned`` or ``failed``.
        value: the best metric that it reached; None when it has none.
        params: what was decided, by short name.
        attrs: what else is known: folder, epoch, seconds, reason, metrics, same_as.
    """

    number: int
    state: str
    value: float | None
    params: dict[str, Scalar]
    attrs: dict[str, Any]


_STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


def rows_of(trials: Sequence[FrozenTrial]) -> list[Row]:
    """Return the trials that count, by number."""
    found = [trial for trial in trials if counts(trial)]
    short = short_names(dict.fromkeys(name for trial in found for name in trial.params))
    return [
        Row(
            trial.number,
            _STATES[trial.state],
            trial.value if trial.state == TrialState.COMPLETE else trial.user_attrs.get("best"),
            {short[name]: value for name, value in trial.params.items()},
            trial.user_attrs,
        )
        for trial in found
    ]


def best_of(rows: Sequence[Row], mode: str) -> Row | None:
    """Return the complete trial with the best metric, the first one of several; None when none is complete."""
    complete = [row for row in rows if row.state == "complete" and row.value is not None]
    sign = 1 if mode == "max" else -1
    return max(complete, key=lambda row: (sign * (row.value or 0.0), -row.number), default=None)


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


def format_value(value: Scalar) -> str:
    """Write a value in a few letters.

    Example:
        >>> format_value(0.00123456), format_value(8), format_value(True), format_value(None)
        ('0.001235', '8', 'true', 'null')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _parts(name: str) -> list[str]:
    found = re.split(r"\.(?![^\[]*\])", name)
    return [part for part in found if part not in ("init_args", "class_path")] or found
