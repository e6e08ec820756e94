"""Encoders: one family per file."""

from eurosat_cls.encoders.base import Encoder
from eurosat_cls.encoders.resnet import ResNet

__all__ = ["Encoder", "ResNet"]
