"""What is known of a scene so far: arrays on disk, and a journal of how far they are filled."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from eurosat_cls.scenes.layout import Layout
from eurosat_cls.utils.files import growing, write_json

JOURNAL = "journal.json"


class Work:
    """Windows of a scene that are classified already.

    A strip's values are written and flushed before the journal counts it, so that whatever the journal counts is there,
    and what is done twice is done with the same result.

    Args:
        folder: made when it is missing. What other settings left there is thrown away. None keeps all in memory.
        layout: of the scene.
        classes: number of probabilities of a window.
        settings: plain data that decide what the values are.

    Attributes:
        probabilities: float32 ``[rows, columns, K]`` of windows.
        trusted: uint8 ``[rows, columns]``, 1 for windows whose probabilities count.
        valid: uint8 ``[height, width / 8]``, a bit for each pixel.
        picture: float32 ``[h, w, 4]``, means of three bands in the scene's unit and the share of valid pixels.
    """

    def __init__(self, folder: Path | None, layout: Layout, classes: int, settings: Mapping[str, Any]) -> None:
        self.folder, self.layout = folder, layout
        self.settings = json.loads(json.dumps(settings))
        side = layout.shrink
        self._shapes: dict[str, tuple[tuple[int, ...], str]] = {
            "probabilities": ((*layout.shape, classes), "<f4"),
            "trusted": (layout.shape, "u1"),
            "valid": ((layout.height, -(-layout.width // 8)), "u1"),
            "picture": ((-(-layout.height // side), -(-layout.width // side), 4), "<f4"),
        }
        self.done = 0
        self._arrays = (
            self._opened(folder)
            if folder is not None
            else {name: np.zeros(shape, dtype) for name, (shape, dtype) in self._shapes.items()}
        )
        self.probabilities: np.ndarray = self._arrays["probabilities"]
        self.trusted: np.ndarray = self._arrays["trusted"]
        self.valid: np.ndarray = self._arrays["valid"]
        self.picture: np.ndarray = self._arrays["picture"]

    def _opened(self, folder: Path) -> dict[str, np.ndarray]:
        """Open what an earlier run has left, or make files anew."""
        folder.mkdir(parents=True, exist_ok=True)
        self.done = self._take_up(folder)
        if not self.done:
            (folder / JOURNAL).unlink(missing_ok=True)
            for name, (shape, dtype) in self._shapes.items():
                _allocate(folder / f"{name}.bin", int(np.prod(shape)) * np.dtype(dtype).itemsize)
        return {
            name: np.memmap(folder / f"{name}.bin", dtype, "r+", shape=shape)  # type: ignore[call-overload]
            for name, (shape, dtype) in self._shapes.items()
        }

    @staticmethod
    def bytes_of(layout: Layout, classes: int) -> int:
        """Bytes on disk, about."""
        windows, side = layout.shape[0] * layout.shape[1], layout.shrink
        pixels = layout.height * layout.width
        return windows * (4 * classes + 1) + pixels // 8 + 16 * pixels // side**2

    def _take_up(self, folder: Path) -> int:
        """How many groups of windows an earlier run has finished with the same settings."""
        try:
            journal = json.loads((folder / JOURNAL).read_text(encoding="utf-8"))
            whole = all(
                (folder / f"{name}.bin").stat().st_size == np.prod(shape) * np.dtype(dtype).itemsize
                for name, (shape, dtype) in self._shapes.items()
            )
            return int(journal["groups"]) if whole and journal["settings"] == self.settings else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    @property
    def complete(self) -> bool:
        """Whether every window is classified."""
        return self.done >= self.layout.groups

    def commit(self, groups: int) -> None:
        """Make sure that all groups up to this one stay.

        Raises:
            OSError: when the disk is full.
        """
        if self.folder is not None:
            for array in self._arrays.values():
                if isinstance(array, np.memmap):
                    array.flush()
            write_json(self.folder / JOURNAL, {"settings": self.settings, "groups": groups})
        self.done = groups

    def close(self) -> None:
        """Let go of the files."""
        for name in self._shapes:
            setattr(self, name, np.empty(0))
        self._arrays.clear()

    def remove(self) -> None:
        """Remove what is no longer needed."""
        self.close()
        assert self.folder is not None
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


def _allocate(path: Path, size: int) -> None:
    """Make a file of zeros whose blocks the disk has put aside: writing through a mapping cannot report a full disk.

    Raises:
        OSError: when the disk is full.
    """
    with growing(path) as file:
        file.truncate(0)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        for start in range(0, size, 1 << 20):
            file.write(bytes(min(1 << 20, size - start)))
