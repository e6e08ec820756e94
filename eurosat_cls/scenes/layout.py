"""Where the windows of a scene lie, which cells they make up, and in what order they are classified."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eurosat_cls.utils.errors import UserError

PICTURE_SIDE = 1600  # pixels of the true-colour picture, at most about


@dataclass(frozen=True)
class Axis:
    """Windows and cells along one axis of a scene.

    Window ``i`` starts at pixel ``starts[i]``: at multiples of the step, and where these leave a rest once more at the
    end. Cell ``i`` is the pixels from ``i * step``; the last one may be narrower. Over a cell are the windows
    that cover all of it, ``first[i]`` to ``last[i]``.

    Args:
        length: pixels of the scene.
        window: pixels of a window.
        step: pixels from window to window.

    Example:
        >>> axis = Axis(100, 64, 32)
        >>> axis.starts.tolist(), axis.edges.tolist()
        ([0, 32, 36], [0, 32, 64, 96, 100])
        >>> axis.first.tolist(), axis.last.tolist()
        ([0, 0, 1, 2], [0, 1, 2, 2])
    """

    length: int
    window: int
    step: int

    @cached_property
    def starts(self) -> np.ndarray:
        """First pixel of each window, int64."""
        regular = np.arange(0, self.length - self.window + 1, self.step)
        rest = self.length - self.window
        return regular if regular[-1] == rest else np.append(regular, rest)

    @cached_property
    def edges(self) -> np.ndarray:
        """First pixel of each cell, and the end of the last one, int64."""
        return np.append(np.arange(0, self.length, self.step), self.length)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return len(self.edges) - 1

    @cached_property
    def first(self) -> np.ndarray:
        """The first window over each cell, int64."""
        return np.searchsorted(self.starts + self.window, self.edges[1:], side="left")

    @cached_property
    def last(self) -> np.ndarray:
        """The last window over each cell, int64."""
        return np.searchsorted(self.starts, self.edges[:-1], side="right") - 1


@dataclass(frozen=True)
class Layout:
    """Windows and cells of a scene, and the batches that the windows are classified in.

    Batches are cut from groups of whole rows of windows, so that what a window is classified together with depends on
    the scene and these settings alone: not on how much is read at once, nor on where a stopped run goes on.

    Args:
        height: pixels of the scene from north to south.
        width: pixels from west to east.
        window: side of a window in pixels.
        step: pixels from window to window; at most ``window``.
        largest_batch: windows of a batch, at most.
        rows_together: rows of windows that are classified at once where that is not for batches to say.

    Raises:
        UserError: for a step below 1 or above the window, and for a scene smaller than a window.

    Example:
        >>> layout = Layout(10_980, 10_980, 64, 32)
        >>> layout.rows.starts.size * layout.columns.starts.size, layout.group, layout.batch
        (117649, 1, 115)
    """

    height: int
    width: int
    window: int
    step: int
    largest_batch: int = 128
    rows_together: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.step <= self.window:
            raise UserError(f"--step {self.step}: it must be from 1 to the window's {self.window} pixels.")
        if self.largest_batch < 1:
            raise UserError(f"--batch_size must be at least 1, got {self.largest_batch}.")
        if min(self.height, self.width) < self.window:
            raise UserError(
                f"the scene is {self.width} x {self.height} pixels, smaller than one window of {self.window} x "
                f"{self.window}; --window takes another size."
            )

    @cached_property
    def rows(self) -> Axis:
        """From north to south."""
        return Axis(self.height, self.window, self.step)

    @cached_property
    def columns(self) -> Axis:
        """From west to east."""
        return Axis(self.width, self.window, self.step)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        return len(self.rows.starts), len(self.columns.starts)

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.rows.cells, self.columns.cells

    @property
    def group(self) -> int:
        """Rows of windows that batches are cut from."""
        if self.rows_together is not None:
            return self.rows_together
        return -(-self.largest_batch // self.shape[1])

    @property
    def groups(self) -> int:
        """Number of groups; the last one may be smaller."""
        return -(-self.shape[0] // self.group)

    @property
    def batch(self) -> int:
        """Windows of a batch, shared out evenly; a batch that is not full is padded to it."""
        windows = min(self.group, self.shape[0]) * self.shape[1]
        return -(-windows // -(-windows // self.largest_batch))

    @cached_property
    def shrink(self) -> int:
        """Pixels along a side that one pixel of the true-colour picture is the mean of; it divides the step."""
        wanted = max(self.height, self.width) / PICTURE_SIDE
        divisors = [n for n in range(1, self.step + 1) if self.step % n == 0]
        return next((n for n in divisors if n >= wanted), self.step)

    def group_rows(self, first: int, last: int) -> slice:
        """Rows of windows in the groups from ``first`` up to, not including, ``last``."""
        return slice(first * self.group, min(last * self.group, self.shape[0]))

    def pixels_of(self, first: int, last: int) -> slice:
        """Rows of pixels under the windows of these groups."""
        rows = self.group_rows(first, last)
        return slice(int(self.rows.starts[rows.start]), int(self.rows.starts[rows.stop - 1]) + self.window)

    def own_pixels(self, first: int, last: int) -> slice:
        """Rows of pixels that belong to these groups alone: up to where the next one's windows begin.

        They begin and end at multiples of the step, or at the scene's end.
        """
        rows = self.group_rows(first, last)
        ends = last >= self.groups
        # The last window may begin off the grid of cells; the rows before it go with the last regular one.
        stop = self.height if ends else self._boundary(rows.stop)
        return slice(self._boundary(rows.start), stop)

    def _boundary(self, row: int) -> int:
        return min(row, self.rows.cells) * self.step if row else 0
