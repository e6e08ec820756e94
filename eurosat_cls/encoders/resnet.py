"""Residual networks for small patches.

Shape legend: B batch, C input channels, D output features, H W patch size, h w map size.
"""

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from eurosat_cls.encoders.base import Encoder
from eurosat_cls.utils.errors import UserError


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation and a shortcut (He et al. 2016, figure 2)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """``[B, in_channels, h, w]`` -> ``[B, out_channels, h / stride, w / stride]``."""
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(y))
        return F.relu(y + self.shortcut(x), inplace=True)


class ResNet(Encoder):
    """Encode patches with a ResNet of basic blocks behind a stem of one convolution, without max-pooling.

    ``widths=(64, 128, 256, 512)`` with ``stem_stride=1`` is the usual CIFAR ResNet-18. The first stage keeps the
    stem's resolution; every later stage halves it.

    Args:
        in_channels: bands of the input.
        widths: channels of each stage; the last one is ``out_features``. Multiples of 16 are the fastest.
        blocks: basic blocks in each stage; ``(2, 2, 2, 2)`` makes the 18 layers.
        stem_stride: stride of the stem; 2 quarters the cost on 64x64 patches.
        downsample: how a stage halves the resolution: ``stride`` of its first convolution and shortcut, or
            ``average`` of 2x2 pixels before both, which costs as much, uses every pixel and aliases less.
        stem_kernel: side of the stem's kernel; 8 with a stride of 4 and wider first stages costs less than 3 with 2.

    Raises:
        UserError: when ``widths`` and ``blocks`` differ in length, are empty or hold values below 1.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; averages before strides: Zhang,
    "Making Convolutional Networks Shift-Invariant Again", ICML 2019.

    Example:
        >>> import torch
        >>> encoder = ResNet(3, widths=(16, 32), blocks=(1, 1))
        >>> encoder(torch.zeros(2, 3, 64, 64)).shape, encoder.forward_map(torch.zeros(2, 3, 64, 64)).shape
        (torch.Size([2, 32]), torch.Size([2, 32, 16, 16]))
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int] = (16, 48, 96, 160),
        blocks: Sequence[int] = (2, 2, 2, 2),
        stem_stride: int = 2,
        downsample: Literal["stride", "average"] = "stride",
        stem_kernel: int = 3,
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks) or not widths:
            raise UserError(f"ResNet: widths {list(widths)} and blocks {list(blocks)} must have the same length.")
        if min(*widths, *blocks, stem_stride, stem_kernel, in_channels) < 1:
            raise UserError("ResNet: in_channels, widths, blocks, stem_stride and stem_kernel must all be at least 1.")
        # as many places as strides fit, and as far over the left edge as over the right one
        padding = (stem_kernel - stem_stride + 1) // 2 if stem_kernel >= stem_stride else stem_kernel // 2
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, widths[0], stem_kernel, stem_stride, padding, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        stages: list[nn.Module] = []
        channels = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks)):
            for block in range(count):
                halves = stage > 0 and block == 0
                if halves and downsample == "average":
                    stages.append(nn.AvgPool2d(2, ceil_mode=True))
                stages.append(BasicBlock(channels, width, 2 if halves and downsample == "stride" else 1))
                channels = width
        self.stages = nn.Sequential(*stages)
        self.out_features = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward_map(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` -> ``[B, D, h, w]``."""
        features: Tensor = self.stages(self.stem(x))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` -> ``[B, D]``, the mean over the map."""
        return self.pool(self.forward_map(x))
