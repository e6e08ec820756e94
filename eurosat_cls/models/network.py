"""The network of a model: what normalises, encodes and decodes, without loss, metrics and optimisation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from eurosat_cls.decoders import Decoder
from eurosat_cls.encoders import Encoder
from eurosat_cls.utils.errors import UserError


def encode(encoder: Encoder, decoder: Decoder, image: Tensor) -> Any:
    """Hand normalised ``[B, C, H, W]`` through the encoder, in the form that the decoder takes."""
    return encoder(image) if decoder.takes == "features" else getattr(encoder, f"forward_{decoder.takes}")(image)


def connect(encoder: Encoder, decoder: Decoder, image: Tensor) -> Tensor:
    """Hand normalised ``[B, C, H, W]`` through encoder and decoder."""
    outputs: Tensor = decoder(encode(encoder, decoder, image))
    return outputs


def compile_parts(encoder: Encoder, decoder: Decoder) -> None:
    """Compile what the decoder calls of the encoder; once, however often this is called."""
    if encoder._compiled_call_impl is not None:
        return
    encoder.compile()
    if decoder.takes != "features":
        name = f"forward_{decoder.takes}"
        setattr(encoder, name, torch.compile(getattr(encoder, name)))


@contextmanager
def normalising(patches: int) -> Iterator[None]:
    """Say in one way that batches of so many patches cannot be normalised in training.

    Raises:
        UserError: where batch normalisation would be over a single value of each channel.
    """
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise UserError(
            f"data.batch_size: there is nothing to normalise over, as a batch of {patches} comes to a single value of "
            "each channel: raise data.batch_size, or take fewer stages or larger patches."
        ) from error


class Network(nn.Module):
    """What a model does to a batch: normalise, encode, decode.

    Args:
        model: has ``normalize``, ``encoder`` and ``decoder``, which are shared, not copied.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.normalize: nn.Module = model.normalize  # type: ignore[assignment]
        self.encoder: Encoder = model.encoder  # type: ignore[assignment]
        self.decoder: Decoder = model.decoder  # type: ignore[assignment]

    def forward(self, image: Tensor) -> Tensor:
        """Raw ``[B, C, H, W]`` -> what the decoder gives."""
        return connect(self.encoder, self.decoder, self.normalize(image))
