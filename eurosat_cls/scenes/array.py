"""Maps from Python: of files, and of arrays in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.loading import load
from eurosat_cls.scenes.classify import Pass, by_windows, classify_scene
from eurosat_cls.scenes.finish import Finish
from eurosat_cls.scenes.layout import Layout
from eurosat_cls.scenes.many import mapper_for
from eurosat_cls.scenes.mapping import Mapper
from eurosat_cls.scenes.network import Network
from eurosat_cls.scenes.rasters import grid_at
from eurosat_cls.scenes.scene import Grid, Scene
from eurosat_cls.scenes.settings import MapOptions
from eurosat_cls.scenes.source import Source, shown_channels, statistics_of
from eurosat_cls.scenes.units import model_input
from eurosat_cls.scenes.work import Work
from eurosat_cls.utils.distributed import rank_zero_print
from eurosat_cls.utils.errors import UserError

_SAMPLED = 2**16  # values of a band that are looked at, about


@dataclass(frozen=True)
class ArrayMap:
    """The map of an array.

    Attributes:
        probabilities: float32 ``[K, rows, columns]`` of cells, NaN where nothing is known.
        classes: uint8 ``[rows, columns]``, 255 where nothing is known, 254 where undecided; of several labels
            ``[K, rows, columns]``.
        confidence: float32 ``[rows, columns]``.
        grid: of the cells.
    """

    probabilities: np.ndarray
    classes: np.ndarray
    confidence: np.ndarray
    grid: Grid


class ArrayScene(Scene):
    """A scene in memory, in the unit of the model that it is for.

    Args:
        values: ``[C, H, W]``.
        bands: names of its ``C`` bands.
        grid: of its pixels.
        valid: bool ``[H, W]``; None where all are. NaN never is.
    """

    def __init__(self, values: np.ndarray, bands: Sequence[str], grid: Grid, valid: np.ndarray | None) -> None:
        super().__init__("array", Path("array"), grid, {}, values.dtype)
        self._values, self._bands = values, tuple(bands)
        self._valid = np.ones(values.shape[1:], bool) if valid is None else np.asarray(valid, bool)
        if values.dtype.kind == "f":
            self._valid = self._valid & np.isfinite(values).all(axis=0)

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands."""
        return self._bands

    def read(self, bands: Sequence[str], rows: slice, cols: slice) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`Scene.read`."""
        channels = [self._bands.index(band) for band in bands]
        return self._values[channels, rows, cols], self._valid[rows, cols]

    def sample(self, band: str) -> np.ndarray:
        """See :meth:`Scene.sample`."""
        values: np.ndarray = self._values[self._bands.index(band)][self._valid]
        return values[:: 1 + values.size // _SAMPLED]


@overload
def map_scene(model: Classifier | str | Path, scene: str | Path, out: str | Path = ..., *,
              options: MapOptions = ...) -> Path: ...  # fmt: skip


@overload
def map_scene(model: Classifier | str | Path, scene: np.ndarray, *, options: MapOptions = ...,
              transform: Affine = ..., crs: Any = ..., valid: np.ndarray | None = ...) -> ArrayMap: ...  # fmt: skip


def map_scene(
    model: Classifier | str | Path,
    scene: str | Path | np.ndarray,
    out: str | Path = "maps",
    *,
    options: MapOptions | None = None,
    transform: Affine | None = None,
    crs: Any = None,
    valid: np.ndarray | None = None,
) -> Path | ArrayMap:
    """Make a land-cover map of a scene.

    Args:
        model: a trained model, or the path of its run folder or checkpoint.
        scene: the path of a scene, or an array ``[C, H, W]`` with the model's bands in its order and unit.
        out: folder for the folder of a map that is made of a file.
        options: how to map.
        transform: of an array, from (column, row) to coordinates; pixel coordinates by default.
        crs: of an array, anything that ``rasterio.crs.CRS.from_user_input`` takes.
        valid: of an array, bool ``[H, W]``: which pixels hold something.

    Returns:
        The folder of the map, as the command ``map`` makes it; of an array, nothing is written, and the map is
        returned.

    Raises:
        UserError: for whatever a person can mend.

    Example:
        >>> from eurosat_cls import Classifier
        >>> from eurosat_cls.encoders import ResNet
        >>> model = Classifier(lambda c: ResNet(c, (8, 8), (1, 1)), ["Forest", "River"], ["B04"]).eval()
        >>> found = map_scene(model, np.ones((1, 100, 130), np.uint8), options=MapOptions(step=32))
        >>> found.probabilities.shape, found.grid.transform.a
        ((2, 4, 5), 32.0)
    """
    options = options or MapOptions()
    if isinstance(scene, np.ndarray):
        loaded = model if isinstance(model, Classifier) else load(model)
        return _map_array(loaded, scene, options, transform or Affine.identity(), crs, valid)
    mapper = (
        Mapper(model, Path(out), options)
        if isinstance(model, Classifier)
        else mapper_for(str(model), str(out), options)
    )
    folder = mapper.map([Path(scene)])
    assert folder is not None
    return folder


def _map_array(
    model: Classifier, values: np.ndarray, options: MapOptions, transform: Affine, crs: Any, valid: np.ndarray | None
) -> ArrayMap:
    if values.ndim != 3 or len(values) != len(model.bands):
        raise UserError(
            f"map_scene: the array has the shape {list(values.shape)}; the model takes [{len(model.bands)}, H, W] with "
            f"the bands {', '.join(model.bands)}."
        )
    if valid is not None and np.shape(valid) != values.shape[1:]:
        raise UserError(f"map_scene: valid has the shape {list(np.shape(valid))}, the array {list(values.shape[1:])}.")
    grid = Grid(values.shape[1], values.shape[2], transform, None if crs is None else CRS.from_user_input(crs))
    window, step = Mapper(model, Path(), options).sizes()
    layout = Layout(grid.height, grid.width, window, step, options.batch_size)
    familiar = options.min_familiarity is not None
    network = Network(model, layout.batch, options.device, options.precision, familiar=familiar)
    statistics = statistics_of(model)
    fill = statistics[0] if statistics is not None else [0.0] * len(values)
    scene = ArrayScene(values, model.bands, grid, valid)
    given = model_input(model, scene, options.stretch, options.unit)
    for note in given.notes:
        rank_zero_print(note)
    source = Source(scene, model.bands, given.convert, fill)
    work = Work(None, layout, network.outputs, {})
    how = Pass(options.min_valid, shown_channels(model.bands), layout.groups)
    classify_scene(source, layout, by_windows(network, layout), work, how, lambda count: None)
    finish = Finish(model, [work], layout, grid, options.min_confidence, min_familiarity=options.min_familiarity)
    parts = list(finish.decided())
    classes = np.concatenate([part.classes for part in parts], axis=1)
    probabilities = np.concatenate([np.moveaxis(part.cells.probabilities, 2, 0) for part in parts], axis=1)
    confidence = np.concatenate([part.overall for part in parts])
    probabilities = np.where(np.isnan(confidence), np.float32(np.nan), probabilities)
    return ArrayMap(
        probabilities, classes if model.task == "multilabel" else classes[0], confidence, grid_at(grid, step)
    )
