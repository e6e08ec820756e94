"""What Grad-CAM builds on: features follow from the map by `pool`, in every encoder that has such a map."""

from typing import Any

import pytest
import torch

from eurosat_cls.encoders import Encoder, Exchanger, ResNet, TimmBackbone, TorchvisionBackbone, Transformer
from eurosat_cls.utils.errors import UserError

CASES: list[tuple[type[Encoder], dict[str, Any]]] = [
    (ResNet, {"widths": (8, 16), "blocks": (1, 1)}),
    (Transformer, {"d_model": 16, "num_layers": 1}),
    (Exchanger, {"d_model": 16, "num_layers": 1}),
    (TorchvisionBackbone, {"name": "squeezenet1_1"}),
    (TorchvisionBackbone, {"name": "mobilenet_v3_small"}),
    (TorchvisionBackbone, {"name": "convnext_tiny"}),  # normalises the pooled map
    (TimmBackbone, {"name": "resnet10t"}),
    (TimmBackbone, {"name": "mobilenetv3_small_050"}),  # loses a hidden layer of its head
    (TimmBackbone, {"name": "convnext_atto", "arguments": {"depths": [1, 1, 1, 1]}}),
    (TimmBackbone, {"name": "swin_tiny_patch4_window7_224", "arguments": {"embed_dim": 24, "depths": [1, 1, 1, 1]}}),
]
NAMES = [f"{kind.__name__}-{arguments.get('name', '')}" for kind, arguments in CASES]


@pytest.mark.parametrize(("kind", "arguments"), CASES, ids=NAMES)
def test_features_are_the_pooled_map(kind: type[Encoder], arguments: dict[str, Any]) -> None:
    torch.manual_seed(0)
    encoder = kind(3, **arguments).eval()
    for part in encoder.modules():  # norms that start as doing nothing would hide a missing one
        if isinstance(part, torch.nn.LayerNorm) and part.elementwise_affine:
            torch.nn.init.normal_(part.bias)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(encoder.pool(encoder.forward_map(x)), encoder(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (TorchvisionBackbone, {"name": "vit_b_32", "arguments": {"image_size": 64}}),
        (TimmBackbone, {"name": "vit_tiny_patch16_224", "arguments": {"depth": 1}}),
        (TimmBackbone, {"name": "eva02_tiny_patch14_224", "resize": 56, "arguments": {"depth": 1}}),
    ],
    ids=["torchvision", "timm", "timm-eva"],
)
def test_a_vit_says_that_its_features_are_no_pooled_map(kind: type[Encoder], arguments: dict[str, Any]) -> None:
    encoder = kind(3, **arguments).eval()
    with torch.no_grad(), pytest.raises(UserError, match=r"token"):
        encoder.pool(encoder.forward_map(torch.randn(1, 3, 64, 64)))
