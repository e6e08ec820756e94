"""Pretrained filters reach the bands that they are for, and activations keep their magnitude."""

import pytest
import torch
from torch import Tensor, nn

from eurosat_cls.data.sentinel2 import BANDS
from eurosat_cls.encoders.first_layer import FirstLayer, adapt_filters, adapt_first_layers
from eurosat_cls.utils.errors import UserError

RED, GREEN, BLUE = range(3)


def filters(channels: int = 3, size: int = 5) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(8, channels, size, size) + 0.2


def parallel(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors differ by a positive factor only."""
    return torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0).item() > 1 - 1e-6


def test_all_bands_of_sentinel_2_get_their_filters() -> None:
    old, new = filters(), adapt_filters(filters(), 13, BANDS)
    place = {"B04": old[:, RED], "B03": old[:, GREEN], "B02": old[:, BLUE]}
    for channel, band in enumerate(BANDS):
        torch.testing.assert_close(new[:, channel], place.get(band, old.mean(1)) * 3 / 13)


@pytest.mark.parametrize(
    "bands", [["blue", "nir", "green", "red"], ["b2", "B8a", "b03", "Red"], ["B02", "swir1", "B03", "B04"]]
)
def test_aliases_are_understood(bands: list[str]) -> None:
    old, new = filters(), adapt_filters(filters(), 4, bands)
    for channel, expected in enumerate([old[:, BLUE], old.mean(1), old[:, GREEN], old[:, RED]]):
        torch.testing.assert_close(new[:, channel], expected * 3 / 4)


def test_spectral_indices_start_from_the_mean() -> None:
    new = adapt_filters(filters(), 5, ["B04", "B03", "B02", "NDVI", "(B11 - B8A) / (B11 + B8A)"])
    torch.testing.assert_close(new[:, 3], filters().mean(1) * 3 / 5)
    assert torch.equal(new[:, 3], new[:, 4])


def test_red_green_and_blue_alone_stay_as_they_are() -> None:
    assert torch.equal(adapt_filters(filters(), 3, ["B04", "B03", "B02"]), filters())
    assert torch.equal(adapt_filters(filters(), 3, ["B02", "B03", "B04"]), filters().flip(1))
    assert torch.equal(adapt_filters(filters(), 3), filters())
    assert torch.equal(adapt_filters(filters(13), 13, BANDS), filters(13))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 13])
@pytest.mark.parametrize("mode", ["bands", "mean", "repeat", "random"])
def test_equal_channels_of_noise_keep_the_magnitude_of_activations(mode: FirstLayer, channels: int) -> None:
    old = filters()
    new = adapt_filters(old, channels, list(BANDS)[:channels], mode)
    assert new.shape == (8, channels, 5, 5)
    noise = torch.randn(64, 1, 32, 32)
    before = torch.nn.functional.conv2d(noise.expand(-1, 3, -1, -1), old).square().mean().sqrt()
    after = torch.nn.functional.conv2d(noise.expand(-1, channels, -1, -1), new).square().mean().sqrt()
    assert after.item() == pytest.approx(before.item(), rel=0.02)


@pytest.mark.parametrize(("mode", "bands"), [("bands", BANDS), ("mean", None), ("auto", None), ("auto", BANDS)])
def test_equal_channels_give_equal_activations(mode: FirstLayer, bands: tuple[str, ...] | None) -> None:
    x = torch.randn(2, 1, 16, 16)
    new = adapt_filters(filters(), 13, bands, mode)
    torch.testing.assert_close(
        torch.nn.functional.conv2d(x.expand(-1, 13, -1, -1), new),
        torch.nn.functional.conv2d(x.expand(-1, 3, -1, -1), filters()),
        rtol=1e-4,
        atol=1e-4,
    )


def test_repeat_goes_round_and_random_keeps_nothing() -> None:
    old = filters()
    repeated = adapt_filters(old, 5, mode="repeat")
    for channel, colour in enumerate((RED, GREEN, BLUE, RED, GREEN)):
        assert parallel(repeated[:, channel], old[:, colour])
    drawn = adapt_filters(old, 4, ["B04", "B03", "B02", "B08"], "random")
    assert not any(parallel(drawn[:, 0], old[:, colour]) for colour in range(3))


def test_other_weights_than_of_three_channels_start_from_their_mean() -> None:
    old = filters(4)
    torch.testing.assert_close(adapt_filters(old, 6, BANDS[:6])[:, 5], old.mean(1) * 4 / 6)
    with pytest.raises(UserError, match="these have 4 channels"):
        adapt_filters(old, 6, BANDS[:6], "bands")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_dtype_stays(dtype: torch.dtype) -> None:
    assert adapt_filters(filters().to(dtype), 4, ["B04", "B03", "B02", "B08"]).dtype == dtype


def test_convolutions_are_changed_in_place_with_bias_and_groups() -> None:
    layer = nn.Conv2d(3, 8, 3)
    bias = layer.bias
    adapt_first_layers([layer], 13, BANDS)
    assert layer.bias is bias
    assert isinstance(layer.weight, nn.Parameter)
    assert layer.weight.requires_grad
    assert layer(torch.zeros(1, 13, 8, 8)).shape == (1, 8, 6, 6)
    assert "Conv2d(13, 8" in repr(layer)


@pytest.mark.parametrize(
    ("bands", "mode", "message"),
    [
        (["B04", "B03"], "auto", "2 names for 4 channels"),
        (None, "bands", "needs the names"),
        (["B04", "B03", "B2O", "B08"], "auto", "'B2O' is no known band"),
        (["bleu", "B03", "B04", "B08"], "auto", "Did you mean 'blue'"),
        (["left", "right", "up", "down"], "bands", "could be red or green or blue"),
    ],
)
def test_names_that_cannot_be_right_are_refused(bands: list[str] | None, mode: FirstLayer, message: str) -> None:
    with pytest.raises(UserError, match=message):
        adapt_filters(filters(), 4, bands, mode)


def test_a_strange_name_beside_all_three_colours_is_a_further_band() -> None:
    new = adapt_filters(filters(), 4, ["thermal", "B04", "B03", "B02"])
    torch.testing.assert_close(new[:, 0], filters().mean(1) * 3 / 4)
