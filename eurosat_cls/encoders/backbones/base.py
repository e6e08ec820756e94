"""What backbones of every library have in common."""

import re
import warnings
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from eurosat_cls.encoders.base import Encoder
from eurosat_cls.encoders.first_layer import FirstLayer
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import did_you_mean, nearest

# How the libraries and torch say that an image has the wrong size for a network.
_WRONG_SIZE = re.compile(r"kernel size|output size|must match the size|divisible|invalid for input of size", re.I)


class Backbone(Encoder):
    """A network of a library without its head.

    Attributes:
        model: the library's network; its keys in a state dict are the library's own, behind ``model.``.
        only_initial: arguments that only set the weights to start from, which a checkpoint therefore leaves out.
    """

    only_initial: ClassVar[tuple[str, ...]] = ("weights", "first_layer")
    model: Any
    out_features: int

    def __init__(self, name: str, resize: int | None, weights: str | bool | None, first_layer: FirstLayer) -> None:
        super().__init__()
        if resize is not None and resize < 1:
            raise UserError(f"resize must be at least 1 pixel, got {resize}.")
        if not weights and first_layer != "auto":
            warnings.warn(f"first_layer: {first_layer} has no effect without weights", stacklevel=3)
        self.name, self.resize = name, resize

    @abstractmethod
    def _map(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` -> feature map ``[B, D, h, w]``."""

    @abstractmethod
    def _vector(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` -> features ``[B, D]``."""

    def forward_map(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` -> the last feature map ``[B, D, h, w]``, before pooling.

        Raises:
            UserError: for patches of a size that the network cannot take, or a network without such a map.
        """
        return self._run(self._map, x)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` -> features ``[B, D]``.

        Raises:
            UserError: for patches of a size that the network cannot take.
        """
        return self._run(self._vector, x)

    def _run(self, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        if self.resize is not None:
            shrinks = self.resize < min(x.shape[2:])
            x = F.interpolate(x, (self.resize, self.resize), mode="bilinear", antialias=shrinks)
        try:
            return function(x)
        except (AssertionError, RuntimeError, ValueError) as error:
            reason = (str(error).splitlines() or ["an assertion failed"])[0][:150]
            if isinstance(error, UserError) or not (isinstance(error, AssertionError) or _WRONG_SIZE.search(reason)):
                raise
            raise UserError(
                f"{self.name} cannot take patches of {x.shape[2]}x{x.shape[3]} pixels ({reason.rstrip('.')}). "
                "Set resize: 224, or the size in `arguments` if the network has one."
            ) from error

    def extra_repr(self) -> str:
        """Name what the library calls the network."""
        return self.name + (f", resize={self.resize}" if self.resize else "")


def check_arguments(arguments: dict[str, Any], allowed: Sequence[str], taken: dict[str, str], name: str) -> None:
    """Refuse arguments that are not ``allowed`` (any when empty), or not the user's to give: ``taken`` says why.

    Raises:
        UserError: naming the argument and the nearest right one.
    """
    for key in arguments:
        if key in taken:
            raise UserError(f"arguments: {key} {taken[key]}.")
        if allowed and key not in allowed:
            raise UserError(unknown_argument(name, key, allowed))


def unknown_argument(name: str, key: str, allowed: Sequence[str]) -> str:
    """Say that ``name`` has no argument ``key``, and which one comes nearest."""
    allowed = [a for a in allowed if not a.startswith("_")]
    near = nearest(key, allowed, cutoff=0.0)
    others = ", ".join(a for a in allowed if a not in near)
    return f"arguments: {name} has no {key!r}.{did_you_mean(near)}" + (f" It also has {others}." if others else "")
