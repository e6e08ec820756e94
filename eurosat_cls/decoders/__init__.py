"""Decoders: what turns features into logits."""

from eurosat_cls.decoders.base import Decoder
from eurosat_cls.decoders.linear import LinearHead

__all__ = ["Decoder", "LinearHead"]
