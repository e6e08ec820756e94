"""Small models and scenes whose maps can be computed by hand."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from affine import Affine

from eurosat_cls import Classifier
from eurosat_cls.encoders import ResNet
from tests.scenes.products import CRS, TRANSFORM

RGB = ("B04", "B03", "B02")
NAMES = ("Forest", "River", "Residential")


def small_model(
    names: Sequence[str] = NAMES,
    bands: Sequence[str] = RGB,
    task: str = "multiclass",
    seed: int = 0,
    **settings: Any,
) -> Classifier:
    """An untrained network whose classes differ from patch to patch."""
    torch.manual_seed(seed)
    model = Classifier(
        partial(ResNet, widths=(8, 16), blocks=(1, 1)), list(names), list(bands),
        **{"mean": [90.0] * len(bands), "std": [40.0] * len(bands), "task": task, **settings},
    ).eval()  # fmt: skip
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(20)
    return model


def save(model: Classifier, path: Path) -> Path:
    """Save a model as a checkpoint that loads by itself."""
    settings = {
        "encoder": {"class_path": "eurosat_cls.encoders.ResNet", "init_args": {"widths": [8, 16], "blocks": [1, 1]}},
        "class_names": model.class_names, "bands": model.bands, "task": model.task,
        "mean": model.normalize.mean.tolist(), "std": model.normalize.std.tolist(),  # type: ignore[union-attr]
    }  # fmt: skip
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": settings}, path)
    return path


def pixels(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth bytes ``[3, height, width]``, never 0."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 220, (3, height // 16 + 2, width // 16 + 2)).repeat(16, 1).repeat(16, 2)
    noise = rng.integers(0, 30, (3, height, width))
    return (coarse[:, :height, :width] + noise).astype(np.uint8)


def write_scene(path: Path, values: np.ndarray, *, transform: Affine = TRANSFORM, crs: object = CRS,
                nodata: float | None = None, bands: Sequence[str] = RGB) -> Path:  # fmt: skip
    """Write values ``[C, H, W]`` as GeoTIFF with named bands."""
    profile = {"driver": "GTiff", "count": len(values), "height": values.shape[1], "width": values.shape[2],
               "dtype": values.dtype, "crs": crs, "transform": transform, "nodata": nodata}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(values)
        dataset.descriptions = tuple(bands)
    return path


def predicted(model: Classifier, windows: np.ndarray) -> np.ndarray:
    """Probabilities ``[n, K]`` of windows, straight from the model."""
    with torch.inference_mode():
        return model.postprocessing.probabilities(model.predict_logits(torch.from_numpy(windows))).numpy()


def reference_cells(model: Classifier, values: np.ndarray, valid: np.ndarray, window: int, step: int,
                    min_valid: float = 0.5) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Probabilities ``[rows, columns, K]`` and whether they are known, cell by cell as the documentation says it."""
    _, height, width = values.shape
    fill = np.round(np.array(model.normalize.mean.tolist()))  # type: ignore[union-attr]
    values = np.where(valid, values, fill[:, None, None].astype(values.dtype))

    def starts(length: int) -> list[int]:
        found = list(range(0, length - window + 1, step))
        return found if found[-1] == length - window else [*found, length - window]

    rows, columns = -(-height // step), -(-width // step)
    sums, counts = np.zeros((rows, columns, len(model.class_names))), np.zeros((rows, columns))
    for top in starts(height):
        for left in starts(width):
            if valid[top : top + window, left : left + window].mean() < min_valid:
                continue
            answer = predicted(model, values[None, :, top : top + window, left : left + window])[0]
            for row in range(rows):
                for column in range(columns):
                    down, right = min((row + 1) * step, height), min((column + 1) * step, width)
                    inside = top <= row * step and down <= top + window
                    if inside and left <= column * step and right <= left + window:
                        sums[row, column] += answer
                        counts[row, column] += 1
    seen = np.array([[valid[r * step : (r + 1) * step, c * step : (c + 1) * step].any() for c in range(columns)]
                     for r in range(rows)])  # fmt: skip
    known = (counts > 0) & seen
    return np.where(known[:, :, None], sums / np.maximum(counts, 1)[:, :, None], 0), known
