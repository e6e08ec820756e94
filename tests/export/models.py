"""Small models as checkpoints, and ONNX files by hand."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from eurosat_cls import AutoEncoder, Classifier
from eurosat_cls.encoders import Encoder, ResNet

RGB = ["B04", "B03", "B02"]
NAMES = ["Forest", "River", "Residential"]
TINY: Callable[[int], Encoder] = partial(ResNet, widths=(8, 16), blocks=(1, 1))


def classifier(encoder: Callable[[int], Encoder] = TINY, names: list[str] = NAMES, bands: list[str] = RGB,
               mean: float = 90.0, **settings: Any) -> Classifier:  # fmt: skip
    """An untrained network whose logits differ from patch to patch."""
    torch.manual_seed(0)
    count = len(bands)
    model = Classifier(encoder, names, bands, mean=[mean] * count, std=[mean / 3] * count, **settings).eval()
    model.temperature.fill_(1.7)
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(20)
    return model


def save(model: Classifier | AutoEncoder, path: Path) -> Path:
    """Save a model as a checkpoint that loads by itself."""
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams)}, path)
    return path


def graph(weights: int = 3) -> onnx.ModelProto:
    """Logits of the means of three bands, as ONNX."""
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weight"], ["logits"]),
    ]
    weight = helper.make_tensor("weight", TensorProto.FLOAT, [3, weights], np.eye(3, weights).flatten())
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 3, "height", "width"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", weights])
    made = helper.make_graph(nodes, "means", [image], [logits], [weight, axes])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def card(**changed: Any) -> dict[str, Any]:
    """What :func:`graph` has to say of itself to be one of this project's."""
    settings = {"class_names": NAMES, "bands": RGB, "task": "multiclass", "encoder": {"class_path": "anything"}}
    base: dict[str, Any] = {"format": 1, "data": {"patch_size": 64}, "temperature": 1.0, "threshold": []}
    named = {key: changed.pop(key) for key in list(changed) if key in (*base, "settings")}
    return {**base, "settings": {**settings, **changed}, **named}
