"""Embeddings: what turns band values and positions into vectors."""

from eurosat_cls.embeddings.bands import BandsEncoder, PatchBandsEncoding, PixelEncoding
from eurosat_cls.embeddings.position import LearnedPositions, PositionalEncoding, PositionalEncoding2d, PositionEncoder

__all__ = [
    "BandsEncoder",
    "LearnedPositions",
    "PatchBandsEncoding",
    "PixelEncoding",
    "PositionEncoder",
    "PositionalEncoding",
    "PositionalEncoding2d",
]
