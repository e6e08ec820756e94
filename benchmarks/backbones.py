"""What building a backbone costs beside its library's own time.

    python benchmarks/backbones.py

Builds networks of torchvision and timm, from scratch and from a file of weights, with the library alone and as an
encoder for 13 bands. The two take turns; prints medians and ratios. The library alone builds and loads three channels
with ``load_state_dict``, or, for timm, with its own ``checkpoint_path``.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from common import seconds
from torch import nn

from eurosat_cls.data.sentinel2 import BANDS
from eurosat_cls.encoders import TimmBackbone, TorchvisionBackbone

NAMES = {
    "torchvision": ("resnet50", "efficientnet_b0", "convnext_tiny", "mobilenet_v3_small"),
    "timm": ("resnet50", "efficientnet_b0", "convnext_atto", "vit_tiny_patch16_224"),
}


def theirs(library: str, name: str, weights: str | None) -> nn.Module:
    """The network as its library builds it."""
    if library == "timm":
        return timm.create_model(name, checkpoint_path=weights or "")
    model: nn.Module = torchvision.models.get_model(name)
    if weights:
        model.load_state_dict(torch.load(weights, weights_only=True))
    return model


def ours(library: str, name: str, weights: str | None) -> nn.Module:
    """The network as an encoder of 13 bands."""
    kind: Any = TimmBackbone if library == "timm" else TorchvisionBackbone
    built: nn.Module = kind(13, name, weights=weights, bands=BANDS)
    return built


def compare(library: str, name: str, weights: str | None, rounds: int) -> float:
    """Print the medians of both and return their ratio."""
    actions: list[Callable[[], object]] = [partial(kind, library, name, weights) for kind in (theirs, ours)]
    spent: list[list[float]] = [[], []]
    for _ in range(rounds + 1):
        for action, times in zip(actions, spent, strict=True):
            times.append(seconds(action))
    plain, encoder = (statistics.median(times[1:]) for times in spent)
    print(f"{library:12}{name:22}{'from a file' if weights else 'from scratch':14}{plain * 1e3:8.0f} ms alone, "
          f"{encoder * 1e3:8.0f} ms as encoder: {encoder / plain:.3f}")  # fmt: skip
    return encoder / plain


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=9, help="times that everything is timed")
    given = arguments.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for library, names in NAMES.items():
            for name in names:
                path = Path(folder) / "weights.pth"
                torch.save(theirs(library, name, None).state_dict(), path)
                ratios += [compare(library, name, weights, given.rounds) for weights in (None, str(path))]
    print(f"ratios: median {statistics.median(ratios):.3f}, largest {max(ratios):.3f}")
