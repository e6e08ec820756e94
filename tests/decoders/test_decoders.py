"""What all decoders have in common."""

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from eurosat_cls.decoders import (
    MLP,
    AttentionPooling,
    ConvolutionalReconstruction,
    Decoder,
    Identity,
    LinearHead,
    LinearReconstruction,
    MulticlassClassification,
)
from eurosat_cls.encoders import Tokens

Factory = Callable[[int, int], Decoder]
HEADS = [LinearHead, MLP, partial(MLP, hidden=[]), MulticlassClassification, AttentionPooling]
PATCHES = [
    partial(LinearReconstruction, scale=4),
    partial(LinearReconstruction, scale=32, takes="features"),
    partial(ConvolutionalReconstruction, scale=4, width=32),
    partial(ConvolutionalReconstruction, scale=1),
]
FEATURES, OUTPUTS = 24, 5


def encoded(decoder: Decoder) -> Any:
    torch.manual_seed(3)
    if decoder.takes == "features":
        return torch.randn(6, FEATURES)
    if decoder.takes == "map":
        return torch.randn(6, FEATURES, 8, 8)
    return Tokens(torch.randn(6, 9, FEATURES), torch.arange(9) >= torch.tensor([1, 2, 9, 9, 5, 7])[:, None])


def half(x: Any) -> Any:
    return Tokens(x.features.bfloat16(), x.mask) if isinstance(x, Tokens) else x.bfloat16()


@pytest.mark.parametrize("kind", HEADS)
def test_heads_give_a_logit_per_class(kind: Factory) -> None:
    decoder = kind(FEATURES, OUTPUTS)
    assert decoder(encoded(decoder)).shape == (6, OUTPUTS)


@pytest.mark.parametrize("kind", PATCHES)
@pytest.mark.parametrize("bands", [1, 3, 13])
def test_reconstructions_give_a_patch(kind: Factory, bands: int) -> None:
    decoder = kind(FEATURES, bands)
    x = encoded(decoder)
    side = 8 if kind is PATCHES[-1] else 32
    assert decoder(x).shape == (6, bands, side, side)


@pytest.mark.parametrize("kind", HEADS + PATCHES)
def test_a_gradient_reaches_every_parameter(kind: Factory) -> None:
    decoder = kind(FEATURES, OUTPUTS)
    out = decoder(encoded(decoder))
    (out * torch.randn_like(out)).sum().backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("kind", HEADS + PATCHES)
def test_saving_loading_and_pickling_give_equal_outputs(kind: Factory) -> None:
    a, b = kind(FEATURES, OUTPUTS).eval(), kind(FEATURES, OUTPUTS).eval()
    x = encoded(a)
    assert not torch.equal(a(x), b(x))
    b.load_state_dict(a.state_dict())
    assert torch.equal(a(x), b(x))
    assert torch.equal(a(x), pickle.loads(pickle.dumps(a))(x))


@pytest.mark.parametrize("kind", HEADS + PATCHES)
def test_bfloat16_changes_nothing_but_rounding(kind: Factory) -> None:
    decoder = kind(FEATURES, OUTPUTS).eval()
    x = encoded(decoder)
    expected = decoder(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert (decoder(x).float() - expected).abs().max() < 0.05 * expected.abs().max()
        assert (decoder(half(x)).float() - expected).abs().max() < 0.05 * expected.abs().max()


@pytest.mark.parametrize("kind", PATCHES)
def test_channels_last_changes_nothing_but_rounding(kind: Factory) -> None:
    decoder = kind(FEATURES, OUTPUTS).eval()
    x = encoded(decoder)
    expected = decoder(x)
    decoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    last: Tensor = x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
    torch.testing.assert_close(decoder(last), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [LinearHead, MLP, MulticlassClassification, AttentionPooling])
def test_dropout_acts_in_training_only(kind: Callable[..., Decoder]) -> None:
    decoder = kind(FEATURES, OUTPUTS, dropout=0.5)
    x = encoded(decoder)
    assert not torch.equal(decoder(x), decoder(x))
    decoder.eval()
    assert torch.equal(decoder(x), decoder(x))
    plain = kind(FEATURES, OUTPUTS)
    assert torch.equal(plain.train()(x), plain.eval()(x))


def test_identity_hands_on_what_it_gets() -> None:
    features = torch.randn(2, 7)
    assert Identity(7, 7)(features) is features
    assert Identity(7, 7, takes="map").takes == "map"
    assert Identity(7, 7).takes == "features"
