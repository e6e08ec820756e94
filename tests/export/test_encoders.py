"""Every encoder and every task answers in ONNX as in torch, for any number of patches."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from eurosat_cls import AutoEncoder, Classifier
from eurosat_cls.data.sentinel2 import BANDS
from eurosat_cls.decoders import AttentionPooling, ConvolutionalReconstruction
from eurosat_cls.encoders import Exchanger, TimmBackbone, TorchvisionBackbone, Transformer
from eurosat_cls.export import ExportOptions, export_model
from tests.export.models import NAMES, RGB, TINY, classifier, save

SMALL = {"d_model": 16, "num_heads": 2, "num_layers": 1}
MODELS: dict[str, Callable[[], Classifier | AutoEncoder]] = {
    "Transformer": lambda: classifier(partial(Transformer, **SMALL), decoder=AttentionPooling),
    "Exchanger": lambda: classifier(partial(Exchanger, **SMALL)),
    "autoencoder": lambda: AutoEncoder(TINY, partial(ConvolutionalReconstruction, scale=4), RGB, mean=[90.0] * 3,
                                       std=[30.0] * 3),
    **{name: partial(classifier, partial(TorchvisionBackbone, name=name, weights=None))
       for name in ("resnet18", "squeezenet1_1", "mobilenet_v3_small")},
    **{name: partial(classifier, partial(TimmBackbone, name=name)) for name in ("resnet10t", "convnext_atto")},
    "vit_tiny_patch16_224": lambda: classifier(
        partial(TimmBackbone, name="vit_tiny_patch16_224", arguments={"img_size": 64})
    ),
    "all bands and indices": lambda: classifier(bands=list(BANDS), mean=1500.0, indices=["NDVI", "NDBI"]),
    "binary": lambda: classifier(names=NAMES[:2], task="binary", calibrate=True, threshold=0.3),
    "multilabel": lambda: classifier(task="multilabel", calibrate=True),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_a_network_is_the_same_in_onnx(name: str, tmp_path: Path) -> None:
    said: list[str] = []
    path = save(MODELS[name](), tmp_path / "a.ckpt")
    folder = export_model(path, ExportOptions(patches=10, features=name == "resnet18"), message=said.append)
    assert (folder / "model.onnx").is_file()
    assert any("largest difference" in line for line in said)
