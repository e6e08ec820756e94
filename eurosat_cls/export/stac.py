"""A model as an item of STAC with the extension for machine-learning models (MLM, version 1.5).

Source: https://github.com/stac-extensions/mlm.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from eurosat_cls.data.sentinel2 import find_band
from eurosat_cls.export.network import Model
from eurosat_cls.models.classifier import Classifier

MLM = "https://stac-extensions.github.io/mlm/v1.5.0/schema.json"
_OTHERS = [f"https://stac-extensions.github.io/{name}/schema.json"
           for name in ("classification/v2.0.0", "eo/v2.0.0", "file/v2.1.0")]  # fmt: skip
ARTIFACTS = {"onnx": "onnx", "pt2": "torch.export.save", "safetensors": "safetensors.torch.save_file"}
_IMAGE = ["batch", "channel", "height", "width"]


def properties_of(
    model: Model, card: Mapping[str, Any], outputs: Sequence[str], sides: Sequence[int]
) -> dict[str, Any]:
    """Return the fields ``mlm:...`` of a model.

    Args:
        model: the model.
        card: see :func:`~eurosat_cls.export.card.card_of`.
        outputs: names of the file's outputs.
        sides: height and width of its input, -1 where they are free.
    """
    name = type(model.encoder).__name__
    tasks = ["scene-classification"] if isinstance(model, Classifier) else ["similarity-search"]
    mean, std = card["settings"].get("mean"), card["settings"].get("std")
    statistics = [{"mean": m, "stddev": s} for m, s in zip(mean, std)] if mean and std else []
    image = {
        "name": "image",
        "description": f"{unit_text(model)}; normalised inside the model by the z-score of the statistics",
        "bands": list(model.bands),
        "input": {
            "shape": [-1, len(model.bands), *sides],
            "dim_order": _IMAGE,
            "data_type": model.input_check.unit.dtype,
        },
        "value_scaling": None,
        "statistics": statistics,
        "resize_type": None,
        "pre_processing_function": None,
    }
    parameters = [p for part in (model.encoder, model.decoder) for p in part.parameters()]
    return {
        "mlm:name": f"eurosat_cls {name} {card['checkpoint'][:8]}",
        "mlm:architecture": getattr(model.encoder, "name", None) or name,
        "mlm:tasks": tasks,
        "mlm:framework": "PyTorch",
        "mlm:framework_version": torch.__version__,
        "mlm:total_parameters": sum(p.numel() for p in parameters),
        "mlm:memory_size": sum(p.numel() * p.element_size() for p in parameters),
        "mlm:accelerator": None,
        "mlm:accelerator_constrained": False,
        "mlm:input": [image],
        "mlm:output": [_output(model, output, tasks) for output in outputs],
        "mlm:hyperparameters": {
            "eurosat_cls": card,
            "normalization": {"type": "z-score", "inside_model": True, "mean": mean, "stddev": std},
        },
    }


def unit_text(model: Model) -> str:
    """Say what the values of a model's input are."""
    unit = model.input_check.unit
    if unit.stretch is not None:
        low, high = unit.stretch
        above = f"(x - {low:g})" if low else "x"
        return f"8 bits: clip({above} * 255 / {high - low:g}, 0, 255) of reflectance x 10,000 without offset"
    return "reflectance x 10,000 without offset" if unit.reflectance else f"raw sensor values in {unit.dtype}"


def _output(model: Model, name: str, tasks: list[str]) -> dict[str, Any]:
    size = model.encoder.out_features
    if isinstance(model, Classifier) and name != "features":
        size = model.rules.outputs if name == "logits" else len(model.class_names)
    result = {"shape": [-1, size], "dim_order": ["batch", "embedding" if name == "features" else "class"],
              "data_type": "float32"}  # fmt: skip
    output: dict[str, Any] = {"name": name, "tasks": tasks, "result": result, "post_processing_function": None}
    if isinstance(model, Classifier) and name == "probabilities":
        output["classification:classes"] = [
            {
                "value": value,
                "name": re.sub(r"[^0-9A-Za-z_-]", "_", text) or str(value),
                "title": text,
                "description": text,
            }
            for value, text in enumerate(model.class_names)
        ]
    return output


def program_metadata(properties: Mapping[str, Any]) -> str:
    """Return the text of ``mlm-metadata`` in a file of torch.export; it is JSON, and so YAML."""
    fields = {key.removeprefix("mlm:"): value for key, value in properties.items()}
    return json.dumps({"$schema": MLM, "properties": {**fields, "artifact_type": ARTIFACTS["pt2"]}})


def item_of(
    properties: Mapping[str, Any], model: Model, card: Mapping[str, Any], files: Mapping[str, Path]
) -> dict[str, Any]:
    """Return the item: what ``model.json`` holds.

    Args:
        properties: those of :func:`properties_of`.
        model: the model.
        card: see :func:`~eurosat_cls.export.card.card_of`.
        files: by format, or ``qgis`` or ``familiarity``, the files beside it.
    """
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    licence = {"license": card["license"]} if card["license"] else {}
    assets = {kind: _asset(kind, path) for kind, path in files.items()}
    bands = [_band(name) for name in model.bands]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [MLM, *_OTHERS],
        "id": f"eurosat_cls-{card['checkpoint'][:16]}",
        "geometry": None,
        "properties": {"datetime": now, "gsd": card["resolution"], **licence, **properties,
                       "bands": bands},
        "links": [],
        "assets": assets,
    }  # fmt: skip


def _asset(kind: str, path: Path) -> dict[str, Any]:
    about = {"href": f"./{path.name}", "type": "application/octet-stream", "file:size": path.stat().st_size}
    if kind == "familiarity":
        return {**about, "title": f"{path.name}, how familiar features are", "roles": ["metadata"]}
    return {
        **about,
        "title": f"{path.name}, for {'QGIS' if kind == 'qgis' else kind}",
        "roles": ["mlm:model", "mlm:weights"],
        "mlm:artifact_type": ARTIFACTS.get(kind, "onnx"),
    }


def _band(name: str) -> dict[str, Any]:
    if (band := find_band(name)) is None:
        return {"name": name}
    common = {"eo:common_name": "coastal" if "coastal" in band.aliases else band.aliases[-1]}
    width = {"eo:center_wavelength": band.wavelength / 1000, "eo:full_width_half_max": band.bandwidth / 1000}
    return {"name": name, **common, **width, "gsd": band.resolution}
