"""A folder as model hubs take it: files of the model, and a page about it from what the run knows."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

_NAMES = {"multiclass": "one class for each patch", "binary": "one of two classes", "multilabel": "any set of labels"}
_LIMITS = (
    "Trained on patches of {size}x{size} pixels of 10 m: a class is one of a whole patch, not of a pixel. What shows "
    "none of the classes (clouds, snow, desert) gets one of them all the same. Other sensors, processing levels, units "
    "and regions than those of the training lower the accuracy; on a random split it is higher than in a new region."
)


def page_of(card: Mapping[str, Any], name: str, parameters: int, unit: str) -> str:
    """Return the text of ``README.md``.

    Args:
        card: see :func:`~eurosat_cls.export.card.card_of`.
        name: of the network.
        parameters: how many it has.
        unit: of its input, in words.
    """
    settings, data, test = card["settings"], card["data"], card["test"]
    measured = {key: value for key, value in test.items() if isinstance(value, float) and key != "loss"}
    front: dict[str, Any] = {"library_name": "eurosat_cls", "pipeline_tag": "image-classification",
                             "tags": ["sentinel-2", "land-cover", "earth-observation"]}  # fmt: skip
    front |= {"license": card["license"].lower()} if card["license"] else {}
    if measured:
        front["model-index"] = [{"name": name, "results": [{
            "task": {"type": "image-classification"},
            "dataset": {"name": "test patches of the training's data", "type": "image-folder", "split": "test"},
            "metrics": [{"type": key, "value": round(value, 5)} for key, value in measured.items()],
        }]}]  # fmt: skip
    lines = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---",
        f"# {name}",
        f"Land cover of Sentinel-2 patches, {_NAMES[settings.get('task', 'multiclass')]}; {parameters:,} parameters.",
        _table([("classes", _cell(settings["class_names"])), ("bands, in order", _cell(settings["bands"])),
                ("input", f"`[N, {len(settings['bands'])}, {data['patch_size']}, {data['patch_size']}]`, {unit}"),
                ("split", _cell([data.get("split_method", "unknown")])),
                ("license", _cell([card["license"] or "not given"])),
                ("checkpoint", f"SHA-256 `{card['checkpoint']}`")]),
        "## Metrics",
        _metrics(test, measured),
        "## Limits",
        _LIMITS.format(size=data["patch_size"]),
        "## Use",
        f"```python\n{_USE.format(dtype=settings['unit']['dtype'])}```",
    ]  # fmt: skip
    return "\n\n".join(lines) + "\n"


_USE = """\
import json
import onnxruntime
import rasterio

model = onnxruntime.InferenceSession("model.onnx")
card = json.loads(model.get_modelmeta().custom_metadata_map["eurosat_cls"])
with rasterio.open("patch.tif") as file:  # the bands in their order
    image = file.read()[None].astype("{dtype}")
(probabilities,) = model.run(["probabilities"], {{"image": image}})
print(card["settings"]["class_names"][probabilities[0].argmax()], probabilities[0].max())
"""


def _metrics(test: Mapping[str, Any], measured: Mapping[str, float]) -> str:
    if not measured:
        return "The run has not been tested."
    rows = [(_cell([key]), f"{value:.4f}") for key, value in measured.items()]
    return f"On {test.get('images', 'the')} test patches, split {_cell([test.get('split')])}:\n\n{_table(rows)}"


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {left} | {right} |" for left, right in rows)])


def _cell(values: Sequence[Any]) -> str:
    """Names as they are, whatever signs of Markdown or HTML they hold."""
    escaped = ("".join(f"&#{ord(c)};" if c in "|<>&`*_[]\\#!\n" else c for c in str(value)) for value in values)
    return ", ".join(escaped)
