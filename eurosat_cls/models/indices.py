"""Spectral indices: ratios of bands that tell plants, water, soil or buildings, as further channels."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from eurosat_cls.data.sentinel2 import INDICES, TABLE, find_band
from eurosat_cls.models.formula import Formula
from eurosat_cls.models.normalize import NoNormalize, Normalize
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import did_you_mean, nearest


class SpectralIndices(nn.Module):
    """Compute spectral indices from raw values.

    Bands enter as they are, so their values must be proportional to reflectance, as EuroSAT's are: of products that
    add an offset to the digital numbers (processing baseline 04.00 and later) subtract it first.

    Args:
        bands: the ``C`` bands of the input in channel order; names and aliases of Sentinel-2's, or any others.
        indices: the ``I`` indices wanted, in this order: names of :data:`INDICES`, or formulas over ``bands`` as
            :class:`~eurosat_cls.models.formula.Formula` describes them.

    Raises:
        UserError: for a name or formula that is not understood, bands that the input does not have, or an index
            that comes twice.

    Example:
        >>> indices = SpectralIndices(["B04", "B08"], ["NDVI", "nir / red - 1"])
        >>> indices(torch.tensor([1000, 3000], dtype=torch.uint16).view(1, 2, 1, 1)).flatten()
        tensor([0.5000, 2.0000])
    """

    def __init__(self, bands: Sequence[str], indices: Sequence[str]) -> None:
        super().__init__()
        self.names = list(indices)
        self._channels = {_canonical(band): channel for channel, band in enumerate(bands)}
        self._formulas = [_formula(name) for name in self.names]
        for name, formula in zip(self.names, self._formulas):
            for band in formula.bands:
                if band not in self._channels:
                    raise _missing(name, band, bands)
        if not self.names:
            raise UserError("model.indices: name at least one index, or leave it out.")
        expressions = [formula.expression for formula in self._formulas]
        for position, expression in enumerate(expressions):
            if (first := expressions.index(expression)) < position:
                raise UserError(
                    f"model.indices: {self.names[first]!r} and {self.names[position]!r} are the same index; keep one."
                )

    def forward(self, image: Tensor) -> Tensor:
        """Raw ``[B, C, H, W]`` uint8, uint16 or float, in any unit -> float32 ``[B, I, H, W]``, finite everywhere."""
        # Channel by channel, as there is no arithmetic on uint16; float32 is kept under autocast by all that follows.
        used = {band for formula in self._formulas for band in formula.bands}
        values = {band: image[:, channel].float() for band, channel in self._channels.items() if band in used}
        return torch.stack([formula(values) for formula in self._formulas], 1)

    def extra_repr(self) -> str:
        """Show the indices when the module is printed."""
        return ", ".join(self.names)


class Standardize(nn.Module):
    """Bring channels whose scale is not known beforehand to mean 0 and standard deviation 1.

    Mean and variance are those of all batches that were seen in training so far, saved with the model; the same are
    used in training and evaluation. A channel that never varies is only centred.

    Args:
        channels: the number of channels.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.register_buffer("batches", torch.tensor(0))

    def forward(self, image: Tensor) -> Tensor:
        """Float32 ``[B, C, H, W]`` -> the same shape."""
        if self.training:
            self._learn(image.detach())
        # Less than the rounding of the mean is no variation.
        std = self.variance.sqrt()
        scale = torch.where(std > 1e-6 * self.mean.abs(), 1 / std, 1.0)
        return torch.addcmul((-self.mean * scale)[:, None, None], image, scale[:, None, None])

    def _learn(self, image: Tensor) -> None:
        """Count a batch in: the mean and variance of batches put together (Chan et al. 1983), weighing all alike."""
        mean = image.mean((0, 2, 3))
        variance = (image - mean[:, None, None]).square().mean((0, 2, 3))  # torch.var_mean is ten times as slow
        self.batches += 1
        share = 1 / self.batches
        apart = mean - self.mean
        # The first batch, with the share 1, replaces the values that the buffers start with.
        self.variance.lerp_(variance, share).add_(share * (1 - share) * apart.square())
        self.mean.lerp_(mean, share)


class WithIndices(nn.Module):
    """Normalised bands, and behind them standardised spectral indices as further channels.

    Args:
        normalize: brings ``[B, C, H, W]`` of raw values to float32 of the same shape.
        indices: the indices of the same bands.
    """

    def __init__(self, normalize: nn.Module, indices: SpectralIndices) -> None:
        super().__init__()
        self.normalize, self.indices = normalize, indices
        self.standardize = Standardize(self.extra_channels)

    @property
    def extra_channels(self) -> int:
        """The number ``I`` of indices."""
        return len(self.indices.names)

    def forward(self, image: Tensor) -> Tensor:
        """Raw ``[B, C, H, W]`` -> float32 ``[B, C + I, H, W]``."""
        bands = self.normalize(image)
        indices = self.standardize(self.indices(image))
        if not bands.is_contiguous():
            indices = indices.contiguous(memory_format=torch.channels_last)  # otherwise the result would not be
        return torch.cat([bands, indices], 1)


def input_layer(
    bands: Sequence[str], indices: Sequence[str] | None, mean: Sequence[float] | None, std: Sequence[float] | None
) -> NoNormalize | Normalize | WithIndices:
    """Return what raw patches pass before an encoder."""
    normalize = NoNormalize() if mean is None or std is None else Normalize(mean, std)
    return WithIndices(normalize, SpectralIndices(bands, indices)) if indices else normalize


def _canonical(band: str) -> str:
    found = find_band(band)
    return band if found is None else found.name


def _formula(name: str) -> Formula:
    """Return the formula of an index, which may be a formula itself."""
    return Formula(INDICES.get(name.strip().upper(), name))


def _missing(name: str, band: str, bands: Sequence[str]) -> UserError:
    """Say what is wrong about a band that an index needs and the input does not have."""
    if find_band(band) is not None:
        return UserError(
            f"model.indices: {name!r} needs {band}, which the input does not have; its bands are {', '.join(bands)}."
        )
    if band.upper() in INDICES:
        return UserError(
            f"model.indices: {name!r} names the index {band}, but a formula is made of bands: write "
            f"({INDICES[band.upper()]}) instead."
        )
    known = [known for entry in TABLE for known in (entry.name, *entry.aliases)]
    meant = did_you_mean(nearest(band, [*known, *bands, *INDICES]))
    which = repr(band) if band == name else f"{band!r} in {name!r}"
    return UserError(f"model.indices: {which} is neither an index nor a band.{meant} Known are {', '.join(INDICES)}.")
