"""What numbers the settings of a training may have, told before data and network are built for nothing."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from eurosat_cls.config.mistakes import Mistake
from eurosat_cls.config.settings import shown
from eurosat_cls.config.tree import Path


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


def check_ranges(parsed: Mapping[str, Any]) -> Mistake | None:
    """Find the first number of a parsed configuration that nothing can be done with."""
    for path, allowed in RANGES.items():
        number: Any = parsed
        for key in path:
            number = number.get(key) if isinstance(number, Mapping) else None
        if isinstance(number, (int, float)) and not isinstance(number, bool) and not allowed.holds(number):
            return Mistake(path, f"must be {allowed}, got {shown(number)}.")
    return None
