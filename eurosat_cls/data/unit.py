"""The unit of raw patches, and how to get there from reflectance."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Unit:
    """What the values of raw patches mean.

    Attributes:
        dtype: numpy name of their dtype.
        reflectance: whether they are 10,000 times the reflectance, or made of that by ``stretch``.
        stretch: the values of 10,000 times the reflectance that became 0 and 255; None where they are as they were.
        level: processing level of the products that they were cut from, ``L1C`` or ``L2A``; None where unknown.
    """

    dtype: str
    reflectance: bool = False
    stretch: tuple[float, float] | None = None
    level: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return plain data, as checkpoints keep it."""
        return {**asdict(self), "stretch": None if self.stretch is None else list(self.stretch)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Unit":
        """Return the unit that :meth:`plain` was called on."""
        stretch = plain.get("stretch")
        return cls(
            str(plain["dtype"]),
            bool(plain.get("reflectance")),
            None if stretch is None else (float(stretch[0]), float(stretch[1])),
            plain.get("level"),
        )


def stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Bring values to 8 bits: ``clip((x - low) * 255 / (high - low), 0, 255)``, rounded, uint8 of the same shape.

    Example:
        >>> stretched(np.array([0, 1000, 4000], np.uint16), 0, 2750).tolist()
        [0, 93, 255]
    """
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    result: np.ndarray = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    return result
