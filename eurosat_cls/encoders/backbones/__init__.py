"""Encoders made from the classifiers of torchvision and timm, which are imported when a network is built."""

from eurosat_cls.encoders.backbones.timm import TimmBackbone
from eurosat_cls.encoders.backbones.torchvision import TorchvisionBackbone

__all__ = ["TimmBackbone", "TorchvisionBackbone"]
