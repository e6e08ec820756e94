"""Decoders: what turns features into logits or a reconstruction."""

from eurosat_cls.decoders.base import Decoder
from eurosat_cls.decoders.identity import Identity
from eurosat_cls.decoders.linear import LinearHead
from eurosat_cls.decoders.mlp import MLP
from eurosat_cls.decoders.reconstruction import ConvolutionalReconstruction, LinearReconstruction
from eurosat_cls.decoders.tokens import AttentionPooling, MulticlassClassification

__all__ = [
    "MLP",
    "AttentionPooling",
    "ConvolutionalReconstruction",
    "Decoder",
    "Identity",
    "LinearHead",
    "LinearReconstruction",
    "MulticlassClassification",
]
