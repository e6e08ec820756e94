import math

import pytest
import torch
from torch.nn.functional import conv2d, pad

from eurosat_cls.data.augment import Blur, Noise
from eurosat_cls.utils.errors import UserError
from tests.data.augment.helpers import DTYPES, batch, generator


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_blur_is_a_convolution_with_a_gaussian(dtype: torch.dtype, channels: int) -> None:
    given = batch((11, 9), channels, dtype=dtype)
    out = Blur((0.8, 0.8), probability=1.0)(given, 0, generator()).image
    line = [math.exp(-(k**2) / (2 * 0.8**2)) for k in range(-3, 4)]
    kernel = torch.tensor([[a * b for a in line] for b in line], dtype=torch.float64)
    padded = pad(given.image.double(), (3, 3, 3, 3), mode="reflect").flatten(0, 1)[:, None]
    expected = conv2d(padded, (kernel / kernel.sum())[None, None]).view(given.image.shape)
    assert (out.double() - expected).abs().max() < (0.1 if dtype.is_floating_point else 0.6)


def test_every_patch_has_a_blur_of_its_own_between_the_two_given() -> None:
    point = torch.zeros(200, 1, 21, 21)
    point[:, :, 10, 10] = 1
    out = Blur((0.5, 2.0), probability=1.0)(batch(n=200)._replace(image=point), 0, generator()).image
    offset = torch.arange(-10, 11.0)
    sigma = ((out.sum(2) * offset**2).sum(2) / out.sum((2, 3))).sqrt()
    torch.testing.assert_close(out.sum((2, 3)), torch.ones(200, 1))
    assert 0.45 < sigma.min() < 0.55  # a Gaussian this narrow loses some of it to the pixels
    assert 1.8 < sigma.max() < 2.01


def test_blur_keeps_flat_patches() -> None:
    flat = batch()._replace(image=torch.full((16, 3, 16, 16), 77, dtype=torch.uint8))
    assert torch.equal(Blur(probability=1.0)(flat, 0, generator()).image, flat.image)


@pytest.mark.parametrize("dtype", [torch.uint16, torch.float32])
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_noise_is_normal_and_follows_the_level_of_each_band(dtype: torch.dtype, channels: int) -> None:
    level = torch.linspace(2000, 20000, channels).view(1, channels, 1, 1)
    image = level.expand(40, -1, 32, 32).to(dtype)
    out = Noise(0.05, probability=1.0)(batch(n=40)._replace(image=image), 0, generator()).image
    noise = (out.float() - image.float()) / (0.05 * level)
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.std()) - 1) < 0.02
    assert abs(float((noise**4).mean()) - 3) < 0.4
    assert (noise.std((2, 3)) - 1).abs().max() < 0.15
    neighbours = (noise[..., 1:] * noise[..., :-1]).mean()
    bands = (noise[:-1] * noise[1:]).mean()
    assert max(abs(neighbours), abs(bands)) < 0.02


def test_no_two_bands_get_the_same_noise() -> None:
    given = batch(n=20, channels=13)._replace(image=torch.ones(20, 13, 16, 16))
    noise = Noise(0.1, probability=1.0)(given, 0, generator()).image.flatten(0, 1).flatten(1)
    assert len(noise.unique(dim=0)) > 0.8 * len(noise)


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(UserError, match="Blur: sigma must be two numbers above 0 in ascending order"):
        Blur((1.0, 0.5))
    with pytest.raises(UserError, match="Blur: sigma is too large for patches of 3x3"):
        Blur(probability=1.0)(batch(3), 0, generator())
    with pytest.raises(UserError, match="Noise: std must be at least 0, got -1"):
        Noise(-1)
