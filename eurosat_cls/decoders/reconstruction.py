"""Decoders that give a patch back.

Shape legend: B batch, D features, h w map size, C bands, H W patch size.
"""

from torch import Tensor, nn

from eurosat_cls.decoders.base import Decoder, Takes
from eurosat_cls.utils.errors import UserError


class LinearReconstruction(Decoder):
    """Reconstruct each cell's pixels from its features with one linear layer.

    Args:
        in_features: length ``D`` of the features.
        num_outputs: bands ``C``.
        scale: side in pixels of what one cell of the map covers: the ``patch_size`` of a token encoder, 16 for
            tiny_resnet18; the side of the patch where ``takes`` is ``features``.
        takes: ``map``, or ``features`` to reconstruct a square patch from its feature vector alone.

    Raises:
        UserError: for a scale below 1, or ``takes`` of something else.

    Source: the prediction head of Xie et al., "SimMIM: a Simple Framework for Masked Image Modeling", CVPR 2022.

    Example:
        >>> import torch
        >>> LinearReconstruction(128, 3, scale=8)(torch.zeros(2, 128, 8, 8)).shape
        torch.Size([2, 3, 64, 64])
        >>> LinearReconstruction(128, 3, scale=64, takes="features")(torch.zeros(2, 128)).shape
        torch.Size([2, 3, 64, 64])
    """

    def __init__(self, in_features: int, num_outputs: int, scale: int = 8, takes: Takes = "map") -> None:
        super().__init__()
        if scale < 1:
            raise UserError(f"LinearReconstruction: scale must be at least 1, got {scale}.")
        if takes == "tokens":
            raise UserError("LinearReconstruction: takes must be map or features, as tokens have no places.")
        self.takes = takes
        self.linear = nn.Conv2d(in_features, num_outputs * scale**2, 1)
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, encoded: Tensor) -> Tensor:
        """Map ``[B, D, h, w]`` or features ``[B, D]`` -> ``[B, C, h * scale, w * scale]``; features are one cell."""
        cells = encoded[..., None, None] if encoded.ndim == 2 else encoded
        pixels: Tensor = self.shuffle(self.linear(cells))
        return pixels


class ConvolutionalReconstruction(Decoder):
    """Reconstruct a patch from its map by stages that double the resolution: nearest neighbour, then a convolution.

    Args:
        in_features: length ``D`` of the features.
        num_outputs: bands ``C``.
        scale: side in pixels of what one cell of the map covers, a power of 2: the ``patch_size`` of a token encoder,
            16 for tiny_resnet18.
        width: filters of the first stage; every later one has half as many, but at least 16.

    Raises:
        UserError: for a scale that is no power of 2, or a width below 1.

    Source: Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016.

    Example:
        >>> import torch
        >>> ConvolutionalReconstruction(160, 13, scale=16)(torch.zeros(2, 160, 4, 4)).shape
        torch.Size([2, 13, 64, 64])
    """

    takes = "map"

    def __init__(self, in_features: int, num_outputs: int, scale: int = 8, width: int = 64) -> None:
        super().__init__()
        if scale < 1 or scale & (scale - 1):
            raise UserError(f"ConvolutionalReconstruction: scale must be a power of 2, got {scale}.")
        if width < 1:
            raise UserError(f"ConvolutionalReconstruction: width must be at least 1, got {width}.")
        layers: list[nn.Module] = []
        channels = in_features
        for stage in range(scale.bit_length() - 1):
            filters = max(width >> stage, min(width, 16))
            layers += [
                nn.Upsample(scale_factor=2),
                nn.Conv2d(channels, filters, 3, padding=1, bias=False),
                nn.BatchNorm2d(filters),
                nn.ReLU(inplace=True),
            ]
            channels = filters
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, num_outputs, 3, padding=1))

    def forward(self, encoded: Tensor) -> Tensor:
        """``[B, D, h, w]`` -> ``[B, C, h * scale, w * scale]``."""
        pixels: Tensor = self.layers(encoded)
        return pixels
