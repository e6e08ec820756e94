"""What a person can choose of a map, and the name that a choice gets."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import torch

from eurosat_cls.data.unit import UnitName
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.scenes.network import Precision
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import file_digest

FORMAT = 1  # of the folder of a map: another number makes maps anew
EUROSAT_PATCH = 64
_COUNTS = ("normalize", "encoder", "decoder", "temperature", "threshold")  # weights that decide what a model answers
_ELSEWHERE = ("device", "strip_rows")  # where it runs, and how much is read at once: the map is the same


@dataclass(frozen=True)
class MapOptions:
    """How a scene is mapped.

    Attributes:
        step: pixels from window to window, and the size of a cell; by default half a window.
        window: side of a window in pixels; by default that of the training's patches.
        min_valid: share of valid pixels from which a window is trusted.
        views: 8 averages all flips and rotations; by default as the checkpoint says.
        calibrate: whether probabilities are calibrated; by default as the checkpoint says.
        method: ``windows`` runs the network on every window, ``dense`` on whole strips.
        precision: ``32-true`` or ``bf16-mixed``.
        device: ``auto``, ``cpu``, ``cuda``, ...
        batch_size: windows of a batch, at most.
        strip_rows: rows of pixels that are read at once; by default what fits into some memory.
        min_confidence: cells below it become "uncertain".
        min_familiarity: cells whose windows are below it on average become "uncertain" too; see
            :meth:`~eurosat_cls.models.evidence.Evidence.familiarity`.
        resolution: pixel size of ``classes.tif`` on the ground; by default that of the cells.
        polygons: whether to write polygons of the classes, and the smallest of them in hectares.
        reference: raster with classes to compare with.
        legend: YAML file that says which class a value of the reference is.
        bands: names of the scene's bands in their order, where the file does not say.
        offset: what is added to digital numbers.
        mask: ``clouds``, or a raster of what to leave out.
        area: GeoJSON file of what to map.
        unit: what the scene's values are: ``raw`` for those of the training, ``dn`` for 10,000 times the reflectance,
            ``reflectance`` for 0 to 1; by default that follows from their dtype and range.
        stretch: values of the scene that become 0 and 255 of a model of 8-bit images.
        any_resolution: whether pixels may be of another size than about 10 m.
    """

    step: int | None = None
    window: int | None = None
    min_valid: float = 0.5
    views: Literal[1, 8] | None = None
    calibrate: bool | None = None
    method: Literal["windows", "dense"] = "windows"
    precision: Precision = "32-true"
    device: str = "auto"
    batch_size: int = 128
    strip_rows: int | None = None
    min_confidence: float | None = None
    resolution: float | None = None
    polygons: float | None = None
    reference: str | None = None
    legend: str | None = None
    bands: tuple[str, ...] | None = None
    offset: int | None = None
    mask: str | None = None
    area: str | None = None
    unit: UnitName | None = None
    stretch: tuple[float, float] | None = None
    any_resolution: bool = False
    min_familiarity: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.min_valid <= 1:
            raise UserError(f"--min_valid {self.min_valid}: it is a share, above 0 and at most 1.")
        if self.min_confidence is not None and not 0 < self.min_confidence <= 1:
            raise UserError(f"--min_confidence {self.min_confidence}: it is a probability, above 0 and at most 1.")
        if self.polygons is not None and self.polygons < 0:
            raise UserError(f"--polygons {self.polygons}: the smallest area in hectares is not negative.")
        if self.window is not None and self.window < 1:
            raise UserError(f"--window {self.window}: it must be at least 1 pixel.")
        if (self.reference is None) != (self.legend is None):
            raise UserError("--reference and --legend belong together: a raster, and what its values mean.")
        if self.method == "dense" and self.views == 8:
            raise UserError("--views 8 goes with --method windows only.")
        for name in ("reference", "legend", "area"):
            path = getattr(self, name)
            if path is not None and not Path(path).is_file():
                raise UserError(f"--{name} {path}: there is no such file.")
        if self.mask not in (None, "clouds") and not Path(str(self.mask)).is_file():
            raise UserError(f"--mask {self.mask}: there is no such file; `clouds` means the product's own mask.")


def patch_size(checkpoint: Mapping[str, Any]) -> int | None:
    """Return the side of the patches that a checkpoint was trained on, or None where it does not say."""
    kept = (part["patch_size"] for part in checkpoint.values() if isinstance(part, Mapping) and "patch_size" in part)
    size = next(kept, None)
    return size if isinstance(size, int) and size > 0 else None


def model_digest(model: Classifier) -> str:
    """Return the SHA-256 of what a model is: classes, bands, form and weights."""
    digest = hashlib.sha256(repr([model.class_names, model.bands, model.task, str(model.encoder), str(model.decoder),
                                  str(model.normalize)]).encode())  # fmt: skip
    for name, tensor in sorted(model.state_dict().items()):
        if name.startswith(_COUNTS):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def settings_of(options: MapOptions, model: Classifier, window: int, step: int) -> dict[str, Any]:
    """Return as plain data all that a map depends on besides its scene.

    Files that are named (areas, masks, references) count with what they hold.
    """
    chosen = {key: value for key, value in asdict(options).items() if key not in _ELSEWHERE}
    if options.unit is None:
        del chosen["unit"]  # maps from before there was a choice keep their names
    if options.min_familiarity is None:
        del chosen["min_familiarity"]
    elif model.evidence is not None:
        chosen["evidence"] = [hashlib.sha256(part.cpu().numpy().tobytes()).hexdigest() for part in model.evidence]
    for name in ("area", "mask", "reference", "legend"):
        if chosen[name] is not None and Path(chosen[name]).is_file():
            chosen[name] = {"file": Path(chosen[name]).name, "sha256": file_digest(Path(chosen[name]))}
    resolved = {
        "format": FORMAT,
        "window": window,
        "step": step,
        "views": 8 if model.test_time_augmentation else 1,
        "calibrate": model.calibrate,
        "model": model_digest(model),
    }
    plain: dict[str, Any] = json.loads(json.dumps({**chosen, **resolved}))
    return plain


def short_digest(settings: Mapping[str, Any]) -> str:
    """Return ten hexadecimal digits that name settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]


assert set(_ELSEWHERE) <= {field.name for field in fields(MapOptions)}
