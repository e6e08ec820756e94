"""Encoders: one family per file."""

from eurosat_cls.encoders.backbones import TimmBackbone, TorchvisionBackbone
from eurosat_cls.encoders.base import Encoder, Tokens
from eurosat_cls.encoders.exchanger import Exchanger
from eurosat_cls.encoders.resnet import ResNet
from eurosat_cls.encoders.transformer import Transformer

__all__ = ["Encoder", "Exchanger", "ResNet", "TimmBackbone", "Tokens", "TorchvisionBackbone", "Transformer"]
