"""Band embeddings: what turns the band values of a token into a vector.

A token is a cell of ``P = patch_size * patch_size`` pixels; in a time series of one pixel ``P`` is 1.
Shape legend: B batch, S tokens, P pixels of a cell, C bands, E out_features, N rows of any kind.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from eurosat_cls.utils.configurable import Configurable
from eurosat_cls.utils.errors import UserError


class BandsEncoder(nn.Module, Configurable, ABC):
    """Turn cells of band values into vectors.

    Attributes:
        out_features: length ``E`` of a cell's vector.
    """

    out_features: int

    @abstractmethod
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[B, S, P, C]`` (or ``[B, S, C]`` for cells of one pixel) -> ``[B, S, E]``.

        ``mask`` ``[B, S]`` is True for padding, which must leave the vectors of other tokens alone.
        """


class PixelEncoding(BandsEncoder):
    """Encode every pixel by itself with a stack of Linear, BatchNorm and ReLU; a cell is its pixels' vectors in a row.

    Args:
        in_channels: bands ``C``.
        patch_size: side of a cell in pixels; whoever cuts the cells fills it in.
        sizes: features after each layer: ``[32, 64, 128, 256]`` makes 13-32-64-128-256 of 13 bands. On patches every
            pixel has that many: there small sizes keep training fast.

    Raises:
        UserError: for no sizes, or sizes below 1.

    Source: the per-pixel network of Garnot et al., "Satellite Image Time Series Classification with Pixel-Set Encoders
    and Temporal Self-Attention", CVPR 2020; here the pixels of a cell keep their places.

    Example:
        >>> import torch
        >>> PixelEncoding(13, sizes=[32, 64])(torch.zeros(2, 10, 13)).shape
        torch.Size([2, 10, 64])
        >>> PixelEncoding(13, patch_size=8)(torch.zeros(2, 10, 64, 13)).shape
        torch.Size([2, 10, 2048])
    """

    def __init__(self, in_channels: int, patch_size: int = 1, sizes: Sequence[int] = (16, 32)) -> None:
        super().__init__()
        _check_sizes(self, in_channels=[in_channels], patch_size=[patch_size], sizes=sizes)
        widths = [in_channels, *sizes]
        # The normalisation that follows has a bias.
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in zip(widths, sizes))
        self.norms = nn.ModuleList(MaskedBatchNorm(size) for size in sizes)
        self.out_features = sizes[-1] * patch_size**2

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[B, S, P, C]`` or ``[B, S, C]`` -> ``[B, S, E]``."""
        tokens = x.shape[:2]
        padding = None if mask is None else mask.view(*tokens, 1).expand(*tokens, x.shape[2:-1].numel()).reshape(-1)
        x = x.reshape(-1, x.shape[-1])
        for layer, norm in zip(self.layers, self.norms):
            x = F.relu(norm(layer(x), padding), inplace=True)
        return x.reshape(*tokens, -1)


class PatchBandsEncoding(BandsEncoder):
    """Encode a cell by convolutions along its bands, with its pixels as the first one's channels.

    Neighbours in band order share filters, so bands are best in the order of their wavelengths.

    Args:
        in_channels: bands ``C``, any number.
        patch_size: side of a cell in pixels; whoever cuts the cells fills it in.
        channels: filters of each convolution.
        kernels: odd width of each convolution, in bands.

    Raises:
        UserError: when ``channels`` and ``kernels`` differ in length, are empty, below 1, or a kernel is even.

    Source: after the patch embedding of Yuan et al., "SITS-Former: A pre-trained spatio-spectral-temporal
    representation model for Sentinel-2 time series classification", 2022, which convolves in three dimensions.

    Example:
        >>> import torch
        >>> PatchBandsEncoding(13, channels=[16, 32])(torch.zeros(2, 10, 13)).shape
        torch.Size([2, 10, 416])
    """

    def __init__(
        self,
        in_channels: int,
        patch_size: int = 1,
        channels: Sequence[int] = (32, 64),
        kernels: Sequence[int] = (5, 3),
    ) -> None:
        super().__init__()
        _check_sizes(self, in_channels=[in_channels], patch_size=[patch_size], channels=channels, kernels=kernels)
        if len(channels) != len(kernels) or any(kernel % 2 == 0 for kernel in kernels):
            raise UserError(
                f"PatchBandsEncoding: channels {list(channels)} and kernels {list(kernels)} must have the same length, "
                "and kernels must be odd."
            )
        self.pixels = patch_size**2
        widths = [self.pixels, *channels]
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, kernel, padding=kernel // 2, bias=False) for a, b, kernel in zip(widths, channels, kernels)
        )
        self.norms = nn.ModuleList(MaskedBatchNorm(size) for size in channels)
        self.out_features = channels[-1] * in_channels

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[B, S, P, C]`` or ``[B, S, C]`` -> ``[B, S, E]``."""
        tokens = x.shape[:2]
        padding = None if mask is None else mask.reshape(-1)
        x = x.reshape(-1, self.pixels, x.shape[-1])
        for layer, norm in zip(self.layers, self.norms):
            x = F.relu(norm(layer(x), padding), inplace=True)
        return x.reshape(*tokens, -1)


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation whose statistics leave padding out.

    Args: those of :class:`torch.nn.BatchNorm1d`.
    """

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """``[N, E]`` or ``[N, E, L]`` of the same shape; ``padding`` ``[N]`` is True for rows to leave out."""
        if padding is None or not self.training:
            return super().forward(x)
        x = x.float()
        axes = (0, 2)[: x.ndim - 1]
        keep = (~padding).to(x.dtype).view(-1, *[1] * (x.ndim - 1))
        count = (keep.sum() * x.shape[2:].numel()).clamp(min=1)
        mean = (x * keep).sum(axes, keepdim=True) / count
        centred = x - mean
        variance = (centred.square() * keep).sum(axes, keepdim=True) / count
        self._remember(mean.detach().flatten(), variance.detach().flatten() * count / (count - 1).clamp(min=1))
        scale, shift = (p.view(-1, *[1] * (x.ndim - 2)) for p in (self.weight, self.bias))
        return centred * (variance + self.eps).rsqrt() * scale + shift

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.num_batches_tracked is not None
        assert self.running_var is not None
        assert self.momentum is not None
        # `.data`, as the kernel without padding does it: a step may call both before its backward pass.
        self.running_mean.data.lerp_(mean, self.momentum)
        self.running_var.data.lerp_(variance, self.momentum)
        self.num_batches_tracked.add_(1)


def _check_sizes(module: nn.Module, **sizes: Sequence[int]) -> None:
    for name, values in sizes.items():
        if not values or min(values) < 1:
            raise UserError(f"{type(module).__name__}: {name} must be at least 1, got {list(values)}.")
