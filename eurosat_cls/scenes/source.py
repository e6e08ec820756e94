"""What the model gets from a scene."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eurosat_cls.data.sentinel2 import RGB
from eurosat_cls.data.unit import Conversion
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.indices import WithIndices
from eurosat_cls.models.normalize import Normalize
from eurosat_cls.scenes.areas import Areas, read_areas
from eurosat_cls.scenes.scene import Scene
from eurosat_cls.scenes.settings import MapOptions
from eurosat_cls.scenes.units import model_input
from eurosat_cls.utils.errors import UserError


@dataclass(frozen=True)
class Source:
    """What the model gets from a scene.

    Attributes:
        scene: an open scene.
        bands: of the model, by the scene's names for them.
        convert: from the scene's values to the model's, ``[C, h, w]`` both.
        fill: what missing pixels get in the model's unit, ``[C]``.
        areas: where to map; None for everywhere.
        notes: what a person should know of it, in sentences.
    """

    scene: Scene
    bands: Sequence[str]
    convert: Conversion
    fill: Sequence[float]
    areas: Areas | None = None
    notes: Sequence[str] = ()

    def read(self, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return values ``[C, h, w]`` in the model's unit, missing ones filled; what is valid; what is wanted."""
        values, valid = self.scene.read(self.bands, rows, columns)
        excluded = self.scene.excluded(rows, columns)
        if excluded is not None:
            valid = valid & ~excluded
        values = self.convert(values)
        if not valid.all():
            for band, fill in zip(values, self.fill, strict=True):
                band[~valid] = fill if band.dtype.kind == "f" else round(fill)
        if self.areas is None:
            return values, valid, valid
        inside = np.zeros_like(valid)
        for _, mask in self.areas.masks(rows, columns):
            inside |= mask
        return values, valid, valid & inside


def statistics_of(model: Classifier) -> tuple[list[float], list[float]] | None:
    """Return mean and standard deviation of each band in the training; None for a model without."""
    normalize = model.normalize.normalize if isinstance(model.normalize, WithIndices) else model.normalize
    return (normalize.mean.tolist(), normalize.std.tolist()) if isinstance(normalize, Normalize) else None


def shown_channels(bands: Sequence[str]) -> tuple[int, int, int]:
    """Return which channels a picture shows as red, green and blue.

    Example:
        >>> shown_channels(["B02", "B03", "B04", "B08"]), shown_channels(["VV", "VH"])
        ((2, 1, 0), (0, 0, 0))
    """
    if set(RGB) <= set(bands):
        red, green, blue = (list(bands).index(name) for name in RGB)
        return red, green, blue
    return (0, 1, 2) if len(bands) >= 3 else (0, 0, 0)


def source_of(scene: Scene, model: Classifier, options: MapOptions) -> Source:
    """Return what a model gets from a scene, of which a sample is read.

    Raises:
        UserError: for a scene that lacks bands, or is in a unit that the model does not take.
    """
    given = model_input(model, scene, options.stretch, options.unit)
    areas = None if options.area is None else read_areas(options.area, scene.grid)
    statistics = statistics_of(model)
    fill = statistics[0] if statistics is not None else [0.0] * len(model.bands)
    return Source(scene, given.bands, given.convert, fill, areas, given.notes)


def check_same_grid(first: Scene, other: Scene) -> None:
    """Refuse dates whose pixels do not lie on each other.

    Raises:
        UserError: naming both.
    """
    a, b = first.grid, other.grid
    near = all(abs(x - y) < 1e-6 * max(abs(x), 1) for x, y in zip(a.transform, b.transform))
    if (a.height, a.width, a.crs) != (b.height, b.width, b.crs) or not near:
        raise UserError(
            f"--composite: {other.path.name} is not on the grid of {first.path.name}; dates of one place "
            "and one tile have the same."
        )
