"""What to leave out of a scene: its own classes of clouds, or a file that marks pixels."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Mask:
    def read(self, handles: Any, grid: Any, rows: slice, cols: slice) -> np.ndarray:
        raise NotImplementedError
