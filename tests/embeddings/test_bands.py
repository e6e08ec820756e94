from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from eurosat_cls.embeddings import BandsEncoder, PatchBandsEncoding, PixelEncoding
from eurosat_cls.embeddings.bands import MaskedBatchNorm
from eurosat_cls.utils.errors import UserError

Factory = Callable[..., BandsEncoder]
KINDS = pytest.mark.parametrize(
    "kind",
    [partial(PixelEncoding, sizes=[16, 24]), partial(PatchBandsEncoding, channels=[8, 12], kernels=[5, 3])],
    ids=["pixel", "patch_bands"],
)


@KINDS
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_shapes_follow_from_bands_and_pixels(kind: Factory, channels: int) -> None:
    encoder = kind(channels, 4)
    assert encoder(torch.randn(2, 5, 16, channels)).shape == (2, 5, encoder.out_features)
    one = kind(channels)
    assert one(torch.randn(2, 5, channels)).shape == (2, 5, one.out_features)


def test_sizes_of_the_pixel_encoding_are_as_given() -> None:
    encoder = PixelEncoding(13, sizes=[32, 64, 128, 256])
    shapes = [tuple(weight.shape) for name, weight in encoder.named_parameters() if "layers" in name]
    assert shapes == [(32, 13), (64, 32), (128, 64), (256, 128)]
    assert encoder.out_features == 256


def test_pixel_encoding_is_a_stack_of_linear_norm_and_relu_on_each_pixel() -> None:
    encoder = PixelEncoding(4, 2, sizes=[8, 6])
    first, second = (layer for layer in encoder.layers if isinstance(layer, nn.Linear))
    stack = nn.Sequential(first, nn.BatchNorm1d(8), nn.ReLU(), second, nn.BatchNorm1d(6), nn.ReLU())
    x = torch.randn(3, 5, 4, 4)
    torch.testing.assert_close(encoder(x), stack(x.view(-1, 4)).view(3, 5, 24))


def test_patch_bands_share_filters_along_the_bands() -> None:
    encoder = PatchBandsEncoding(20, 2, channels=[4], kernels=[3]).eval()
    x = torch.zeros(1, 1, 4, 20)
    a, b = x.clone(), x.clone()
    a[..., 5], b[..., 9] = 1.0, 1.0
    a, b = ((encoder(v) - encoder(x)).view(4, 20) for v in (a, b))
    assert a.any()
    torch.testing.assert_close(a[:, 4:7], b[:, 8:11])
    assert not a[:, :4].any()
    assert not a[:, 7:].any()


@KINDS
def test_a_gradient_reaches_every_parameter(kind: Factory) -> None:
    encoder = kind(13, 2)
    encoder(torch.randn(4, 5, 4, 13)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@KINDS
def test_saving_and_loading_gives_equal_outputs(kind: Factory) -> None:
    a, b = kind(13, 2).eval(), kind(13, 2).eval()
    x = torch.randn(2, 3, 4, 13)
    assert not torch.equal(a(x), b(x))
    b.load_state_dict(a.state_dict())
    assert torch.equal(a(x), b(x))


@KINDS
def test_bfloat16_changes_nothing_but_rounding(kind: Factory) -> None:
    encoder = kind(13, 2).eval()
    x = torch.randn(2, 3, 4, 13)
    with torch.autocast("cpu", torch.bfloat16):
        low = encoder(x)
    assert (low.float() - encoder(x)).abs().max() < 0.05 * encoder(x).abs().max()


@pytest.mark.parametrize("shape", [(50, 6), (50, 6, 7)])
def test_masked_norm_is_the_norm_of_what_is_no_padding(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    padding = torch.rand(50) < 0.4
    x = torch.randn(shape) * 3 + 2
    ours, theirs = MaskedBatchNorm(6), nn.BatchNorm1d(6)
    for norm in (ours, theirs):
        nn.init.constant_(norm.weight, 1.5)
        nn.init.constant_(norm.bias, -0.5)
    for _ in range(2):
        torch.testing.assert_close(ours(x, padding)[~padding], theirs(x[~padding]), rtol=1e-4, atol=1e-5)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.eval()(x, padding), theirs.eval()(x))


@pytest.mark.parametrize(
    "bad",
    [
        lambda: PixelEncoding(0),
        lambda: PixelEncoding(3, sizes=[]),
        lambda: PixelEncoding(3, sizes=[16, 0]),
        lambda: PixelEncoding(3, 0),
        lambda: PatchBandsEncoding(3, channels=[8]),
        lambda: PatchBandsEncoding(3, channels=[], kernels=[]),
        lambda: PatchBandsEncoding(3, channels=[8, 8], kernels=[4, 3]),
    ],
)
def test_impossible_sizes_are_refused(bad: Callable[[], object]) -> None:
    with pytest.raises(UserError, match="Encoding: "):
        bad()
