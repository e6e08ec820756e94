"""What an exported file says of itself: classes, bands, unit, sizes, metrics, versions, as plain data."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eurosat_cls.checkpoints.files import RUN
from eurosat_cls.checkpoints.portable import FORMAT
from eurosat_cls.data.sentinel2 import find_band
from eurosat_cls.data.splits.check import split_of
from eurosat_cls.export.network import Model
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.utils.limits import read_json
from eurosat_cls.utils.machine import versions

RESOLUTION = 10.0  # metres of a pixel of Sentinel-2's finest bands, to which all are brought here
PATCH = 64
# Settings of a training, which a trained model has no use for.
_TRAINING = {
    "optimizer", "lr_scheduler", "lr_scheduler_interval", "lr_scheduler_monitor", "lr_multipliers", "total_steps",
    "metrics", "loss", "class_weights", "class_counts", "train_patches", "memory_format", "compile", "weights",
    "_instantiator",
}  # fmt: skip


def card_of(
    model: Model, checkpoint: Mapping[str, Any], sha256: str, test: Mapping[str, Any], licence: str | None
) -> dict[str, Any]:
    """Return what there is to know of a model.

    Args:
        model: loaded from the checkpoint.
        checkpoint: as read.
        sha256: of its file.
        test: what :func:`test_of` found.
        licence: of the model, such as ``MIT``.
    """
    run = checkpoint.get(RUN)
    run = run if isinstance(run, Mapping) else {}
    split, bands = split_of(checkpoint), [find_band(band) for band in model.bands]
    settings = {key: value for key, value in model.hparams.items() if key not in _TRAINING}
    kept = {key: split[key] for key in ("split_method", "split_sha256", "patch_size") if key in split}
    card = {
        "format": FORMAT,
        "settings": {**settings, "unit": model.input_check.unit.plain()},
        "data": {"patch_size": PATCH, **kept},
        "resolution": RESOLUTION,
        "wavelengths": [None if band is None else band.wavelength for band in bands],
        "checkpoint": sha256,
        "run": {"versions": versions(), "metrics": run.get("metrics") or {}, "trained with": run.get("versions") or {}},
        "test": dict(test),
        "license": licence,
    }
    if isinstance(model, Classifier):
        card |= {"temperature": float(model.temperature), "threshold": [float(v) for v in model.threshold]}
    plain: dict[str, Any] = json.loads(json.dumps(card, allow_nan=False))
    return plain


def test_of(folder: Path | None, checkpoint: Path) -> dict[str, Any]:
    """Return the metrics of a run's test, if that was one of this very checkpoint: no path, no table of classes."""
    test = read_json(folder / "test.json") if folder is not None else {}
    if Path(str(test.get("checkpoint"))).name != checkpoint.name:
        return {}
    classes, split = test.get("per_class"), test.get("split")
    images = [each.get("images") for each in classes.values()] if isinstance(classes, Mapping) else []
    found = {key.removeprefix("test/"): value for key, value in test.items() if key.startswith("test/")}
    if all(isinstance(count, int) for count in images):
        found["images"] = sum(images)
    return {**found, "split": split.get("split_method") if isinstance(split, Mapping) else None}


test_of.__test__ = False  # type: ignore[attr-defined]
