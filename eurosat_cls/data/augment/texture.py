"""Augmentations of fine detail."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from eurosat_cls.data.augment.base import Patchwise
from eurosat_cls.data.augment.pixels import put, take

POOL = 4  # a pool of noise is this many times as long as a band


class Blur(Patchwise):
    """Blur patches with a Gaussian, as a lower resolution would; the surroundings are mirrored.

    Args:
        sigma: smallest and largest standard deviation of the Gaussian in pixels; it is cut off at three of the largest.
        probability: chance of each patch to be changed.
        shared: see :class:`~eurosat_cls.data.augment.Augmentation`.

    Raises:
        UserError: for a setting out of range; in training, when the Gaussian is wider than the patch.
    """

    def __init__(self, sigma: tuple[float, float] = (0.3, 1.0), probability: float = 0.2, **shared: Any) -> None:
        super().__init__(probability, **shared)
        low, high = sigma
        self.require(0 < low <= high, f"sigma must be two numbers above 0 in ascending order, got {low} and {high}")
        self.sigma, self.radius = (low, high), math.ceil(3 * high)

    def change(self, image: Tensor, rows: Tensor, generator: torch.Generator) -> None:
        """Blur these patches, down and then across."""
        height, width = image.shape[2:]
        self.require(self.radius < min(height, width), f"sigma is too large for patches of {height}x{width}")
        low, high = self.sigma
        sigma = low + (high - low) * torch.rand(len(rows), 1, generator=generator)
        offset = torch.arange(-self.radius, self.radius + 1)
        weights = torch.softmax(-0.5 * (offset / sigma) ** 2, 1)  # [n, 2 * radius + 1], of sum 1
        patches = take(image, rows)
        weights, r = weights.to(patches)[:, :, None, None, None], self.radius
        patches = _weighted(pad(patches, (0, 0, r, r), mode="reflect"), weights, 2)
        patches = _weighted(pad(patches, (r, r, 0, 0), mode="reflect"), weights, 3)
        put(image, rows, patches)


class Noise(Patchwise):
    """Add Gaussian noise of each pixel and band.

    The noise follows the level of the band, as the signal-to-noise ratio that sensors are specified by: the default of
    0.02 is a ratio of 50, that of the weakest band of Sentinel-2 (B10; ESA, MSI specification).

    Args:
        std: its standard deviation as a share of the mean magnitude of the patch's band.
        probability: chance of each patch to be changed.
        shared: see :class:`~eurosat_cls.data.augment.Augmentation`.
    """

    def __init__(self, std: float = 0.02, probability: float = 0.3, **shared: Any) -> None:
        super().__init__(probability, **shared)
        self.require(std >= 0, f"std must be at least 0, got {std}")
        self.std = std

    def change(self, image: Tensor, rows: Tensor, generator: torch.Generator) -> None:
        """Add noise to these patches."""
        patches = take(image, rows)
        planes = patches.flatten(0, 1).flatten(1)  # [n * C, H * W]
        length = planes.shape[1]
        # Drawing is slow: all bands read a stretch of one pool that is drawn once a batch, each from elsewhere.
        pool = torch.randn(POOL * length, generator=generator).to(patches)
        start = torch.randint((POOL - 1) * length + 1, (len(planes),), generator=generator).to(image.device)
        noise = pool.unfold(0, length, 1).index_select(0, start)
        scale = torch.linalg.vector_norm(planes, 1, dim=1, keepdim=True) * (self.std / length)
        planes.addcmul_(noise, scale)
        put(image, rows, patches)


def _weighted(padded: Tensor, weights: Tensor, dim: int) -> Tensor:
    """Return the sum of neighbours along ``dim``; ``weights`` is ``[n, 2 * radius + 1, 1, 1, 1]`` and symmetric."""
    taps = weights.shape[1]
    size = padded.shape[dim] - taps + 1
    slices = [padded.narrow(dim, k, size) for k in range(taps)]
    total = slices[taps // 2] * weights[:, taps // 2]
    for k in range(taps // 2):
        total += (slices[k] + slices[-1 - k]).mul_(weights[:, k])
    return total
