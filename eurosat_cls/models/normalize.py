"""From raw sensor values to what an encoder expects, inside the model."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from eurosat_cls.utils.errors import UserError


class NoNormalize(nn.Module):
    """Hand raw values on as float32, where no statistics are given."""

    def forward(self, image: Tensor) -> Tensor:
        """``[B, C, H, W]`` of any dtype -> float32 of the same values."""
        return image.float()

    def invert(self, values: Tensor) -> Tensor:
        """Return the same values."""
        return values


class Normalize(nn.Module):
    """Subtract the mean and divide by the standard deviation of every band.

    Args:
        mean: mean of each band, in the sensor's unit.
        std: standard deviation of each band, in the same unit.

    Raises:
        UserError: when the two differ in length or a std is not positive.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std):
            raise UserError(f"mean has {len(mean)} values and std {len(std)}: one of each per band is needed.")
        if not all(s > 0 for s in std):
            raise UserError(f"std must be positive in every band, got {list(std)}.")
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, image: Tensor) -> Tensor:
        """``[B, C, H, W]`` uint8, uint16 or float in the sensor's unit -> float32 of the same shape."""
        scale = 1 / self.std[:, None, None]
        return torch.addcmul(-self.mean[:, None, None] * scale, image.float(), scale)

    def invert(self, values: Tensor) -> Tensor:
        """Normalised ``[B, C, H, W]`` -> float32 in the sensor's unit."""
        return values * self.std[:, None, None] + self.mean[:, None, None]

    def extra_repr(self) -> str:
        """Show the statistics when the module is printed."""
        return f"mean={[round(m, 2) for m in self.mean.tolist()]}, std={[round(s, 2) for s in self.std.tolist()]}"
