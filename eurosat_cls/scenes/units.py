"""Placeholder."""

from typing import Any

import numpy as np


class Conversion:
    """Scene to model."""

    bands: list[str]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Convert."""
        return values

    def describe(self) -> str:
        """Say how."""
        return "as stored"


def model_input(model: Any, scene: Any, stretch: Any = None) -> Conversion:
    """Return the conversion."""
    c = Conversion()
    c.bands = list(model.bands)
    return c
