"""Which figures of a run are better when they are less."""

from typing import Literal

_LESS_IS_BETTER = ("loss", "error", "brier")


def mode_of(figure: str) -> Literal["max", "min"]:
    """Whether more (``max``) or less (``min``) of a figure is better, by its name.

    Example:
        >>> mode_of("val/calibration_error"), mode_of("val/macro_f1")
        ('min', 'max')
    """
    return "min" if any(word in figure.lower() for word in _LESS_IS_BETTER) else "max"
