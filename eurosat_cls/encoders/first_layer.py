"""Carry the first layer of pretrained weights over to other bands.

Shape legend: O output channels, c channels that the weights were trained on, C channels of the input at hand.
"""

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from eurosat_cls.data.sentinel2 import INDICES, RGB, TABLE, find_band
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import did_you_mean, nearest

FirstLayer: TypeAlias = Literal["auto", "bands", "mean", "repeat", "random"]


def adapt_filters(
    filters: Tensor, in_channels: int, bands: Sequence[str] | None = None, mode: FirstLayer = "auto"
) -> Tensor:
    """Return filters for ``in_channels`` channels, made from pretrained ones.

    The modes:

    - ``bands``: the filters of red, green and blue go to B04, B03 and B02 (or ``red``, ``green``, ``blue``, and other
      aliases); every other channel starts from the mean of the three.
    - ``mean``: every channel starts from the mean filter.
    - ``repeat``: red, green, blue, red, green, and so on.
    - ``random``: normally distributed, nothing of the pretrained filters but their magnitude.
    - ``auto``: ``bands`` where there are names and the weights have three channels. Else the filters as they are where
      the number of channels is that of the weights, and ``mean`` where it is not.

    All filters are then scaled by one factor, so that activations keep their magnitude: for an input whose channels
    are all equal and white noise in space, the root mean square of all outputs is what it was. Where red, green and
    blue are there, or none of them, the factor is ``c / C`` and such an input gives exactly the same output.

    Args:
        filters: pretrained weight ``[O, c, height, width]`` of a convolution or patch embedding.
        in_channels: ``C``.
        bands: names of the ``C`` channels; spectral indices count as further channels.
        mode: see above.

    Returns:
        ``[O, C, height, width]`` in the dtype of ``filters``.

    Raises:
        UserError: when ``bands`` does not name every channel; when red, green or blue is missing while there is a name
            that is neither a band nor a spectral index, as that might be the missing one; for ``bands`` without names
            or with weights of another number of channels than three.

    Example:
        >>> rgb = torch.tensor([1.0, 2.0, 6.0]).reshape(1, 3, 1, 1)
        >>> adapt_filters(rgb, 3, ["B02", "B03", "B04"]).flatten().tolist()
        [6.0, 2.0, 1.0]
        >>> adapt_filters(rgb, 4, ["red", "green", "blue", "nir"]).flatten().tolist()
        [0.75, 1.5, 4.5, 2.25]
        >>> adapt_filters(rgb, 1, ["B08"]).flatten().tolist()
        [9.0]
    """
    known = filters.shape[1]
    if bands is not None and len(bands) != in_channels:
        raise UserError(f"bands: {len(bands)} names for {in_channels} channels.")
    if mode == "auto":
        by_name = bands is not None and known == len(RGB)
        mode = "bands" if by_name else "mean"
        if not by_name and known == in_channels:
            return filters
    exact = filters.double()  # so that filters which only change places stay what they are to the last bit
    if mode == "random":
        adapted = torch.randn(len(filters), in_channels, *filters.shape[2:], dtype=torch.float64).to(exact)
    elif mode == "repeat":
        adapted = exact[:, [channel % known for channel in range(in_channels)]]
    else:
        adapted = exact.mean(1, keepdim=True).repeat(1, in_channels, 1, 1)
    if mode == "bands":
        for channel, colour in enumerate(_colours(bands, known)):
            if colour is not None:
                adapted[:, channel] = exact[:, colour]
    scale: Tensor = exact.sum(1).norm() / adapted.sum(1).norm().clamp_min(1e-30)
    return (adapted * scale).to(filters)


def _colours(bands: Sequence[str] | None, known: int) -> list[int | None]:
    """Which of the filters 0 red, 1 green, 2 blue each channel gets; None for the mean of all."""
    if bands is None:
        raise UserError("first_layer: bands needs the names of the channels (`bands`).")
    if known != len(RGB):
        raise UserError(
            f"first_layer: bands is for weights of red, green and blue; these have {known} channels. "
            "Take auto, mean, repeat or random."
        )
    found = [band.name if (band := find_band(name)) else None for name in bands]
    strange = [name for name, band in zip(bands, found) if band is None and not _is_index(name)]
    missing = [colour for colour, name in zip(("red", "green", "blue"), RGB) if name not in found]
    if strange and missing:
        known_names = [name for band in TABLE for name in (band.name, *band.aliases)]
        raise UserError(
            f"first_layer: {strange[0]!r} is no known band, so it could be {' or '.join(missing)}."
            f"{did_you_mean(nearest(strange[0], known_names))} Name the bands, e.g. B04 or red, or set first_layer to "
            "mean, repeat or random."
        )
    return [RGB.index(name) if name in RGB else None for name in found]


def _is_index(name: str) -> bool:
    """Whether this is a spectral index, by its name or as a formula."""
    return name.strip().upper() in INDICES or re.search(r"[()*/+]| - ", name) is not None


def adapt_first_layers(
    layers: Sequence[nn.Conv2d], in_channels: int, bands: Sequence[str] | None = None, mode: FirstLayer = "auto"
) -> None:
    """Change convolutions in place so that they take ``in_channels``, see :func:`adapt_filters`.

    Several layers are for networks with parallel first layers.

    Raises:
        UserError: see :func:`adapt_filters`.
    """
    for layer in layers:
        layer.weight = nn.Parameter(adapt_filters(layer.weight.detach(), in_channels, bands, mode))
        layer.in_channels = in_channels
