import pytest
import torch

from eurosat_cls.data.augment import BandJitter, BrightnessContrast, Photometric, augment_batch
from eurosat_cls.utils.errors import UserError
from tests.data.augment.helpers import DTYPES, batch, generator


class Fixed(Photometric):
    """A change that needs no luck."""

    def __init__(self, gain: float, factor: float, added: float, probability: float = 1.0) -> None:
        super().__init__(probability)
        self.gain, self.factor, self.added = gain, factor, added

    def adjust(
        self, mean: torch.Tensor, std: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.full_like(mean, self.gain), self.factor * mean + self.added * std


def middling(dtype: torch.dtype, channels: int = 3, n: int = 16) -> torch.Tensor:
    """Return patches whose values are far from the ends of the dtype's range."""
    image = batch(dtype=dtype, channels=channels, n=n).image.float()
    return (image * 0.4 + 0.3 * image.max()).to(dtype)


def fitted(before: torch.Tensor, after: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return gain and new mean ``[B, C]`` that lead from one image to another, and what they leave unexplained."""
    x, y = before.double().flatten(2), after.double().flatten(2)
    dx, dy = x - x.mean(2, keepdim=True), y - y.mean(2, keepdim=True)
    gain = (dx * dy).sum(2) / (dx * dx).sum(2)
    return gain, y.mean(2), (dy - gain[..., None] * dx).abs().amax((1, 2))


def test_changes_in_a_row_equal_those_one_after_the_other() -> None:
    given = batch(dtype=torch.float32, channels=13)
    chain = [Fixed(0.5, 1.0, 0.2), Fixed(1.7, 0.8, 0.0), Fixed(0.9, 1.1, -0.5)]
    together, one_by_one = augment_batch(chain, given, 0, generator()), given
    for part in chain:
        one_by_one = part(one_by_one, 0, generator())
    torch.testing.assert_close(together.image, one_by_one.image, rtol=1e-5, atol=0.1)


def test_each_change_has_patches_of_its_own() -> None:
    given = batch(dtype=torch.float32, n=200)
    out = augment_batch([Fixed(2.0, 5.0, 0.0, 0.5), Fixed(3.0, 7.0, 0.0, 0.5)], given, 0, generator())
    gain, mean, _ = fitted(given.image, out.image)
    raised = mean / given.image.double().mean((2, 3))
    combinations = {1: 1, 2: 5, 3: 7, 6: 35}  # gain: factor of the mean
    patches = [(gain[:, 0].round() == wanted).nonzero().flatten() for wanted in combinations]
    assert sum(map(len, patches)) == 200
    assert min(map(len, patches)) > 30
    for rows, factor in zip(patches, combinations.values()):
        assert (raised[rows] - factor).abs().max() < 0.01


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_jitter_draws_gain_and_offset_for_every_band(dtype: torch.dtype, channels: int) -> None:
    given = batch(dtype=dtype, channels=channels, n=100)
    image = middling(dtype, channels, 100)
    out = BandJitter(0.1, 0.3, probability=1.0)(given._replace(image=image), 0, generator()).image
    gain, mean, rest = fitted(image, out)
    assert rest.max() <= 1  # rounding, and the gain's own error
    offset = (mean - gain * image.double().mean((2, 3))) / image.double().std((2, 3))
    assert gain.min() > 0.89
    assert gain.max() < 1.11
    assert gain.std(0).min() > 0.04  # over patches; 0.058 is that of the uniform distribution
    assert offset.abs().max() < (0.35 if dtype == torch.uint8 else 0.31)  # rounding blurs the gain
    assert offset.std(0).min() > 0.12  # of 0.173
    if channels > 1:
        assert gain.std(1).min() > 0


def test_brightness_and_contrast_are_the_same_for_all_bands() -> None:
    image = middling(torch.float32, 13, 100)
    out = BrightnessContrast(0.1, 0.2, probability=1.0)(batch(n=100)._replace(image=image), 0, generator()).image
    gain, mean, rest = fitted(image, out)
    brightness = mean / image.double().mean((2, 3))
    assert rest.max() < 0.1
    assert gain.std(1).max() < 1e-5
    assert brightness.std(1).max() < 1e-5
    assert brightness.amin() > 0.9
    assert brightness.amax() < 1.1
    assert brightness.mean(1).std() > 0.04
    contrast = (gain / brightness).mean(1)
    assert contrast.min() > 0.8
    assert contrast.max() < 1.2
    assert contrast.std() > 0.08


@pytest.mark.parametrize("dtype", DTYPES)
def test_contrast_alone_keeps_the_mean(dtype: torch.dtype) -> None:
    image = middling(dtype)
    out = BrightnessContrast(0.0, 0.5, probability=1.0)(batch()._replace(image=image), 0, generator()).image
    assert not torch.equal(out, image)
    difference = out.double().mean((2, 3)) - image.double().mean((2, 3))
    assert difference.abs().max() < 0.15


def test_values_are_clamped_and_never_wrap_round() -> None:
    for dtype, high in ((torch.uint8, 255), (torch.uint16, 65535)):
        image = torch.tensor([0, high]).repeat(128).view(1, 1, 16, 16).expand(64, 3, -1, -1).to(dtype)
        out = BrightnessContrast(0.3, 0.3, probability=1.0)(batch(n=64)._replace(image=image), 0, generator()).image
        assert (out.double() - image.double()).abs().max() < 0.6 * high
        assert (out.double() == high).any()


def test_flat_patches_stay_finite() -> None:
    given = batch()._replace(image=torch.full((16, 3, 8, 8), 7.0))
    out = augment_batch([BandJitter(probability=1.0), BrightnessContrast(probability=1.0)], given, 0, generator())
    assert out.image.isfinite().all()
    assert torch.equal(out.image.amin((2, 3)), out.image.amax((2, 3)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BandJitter(gain=1.0), "BandJitter: gain must be at least 0 and below 1, got 1.0"),
        (lambda: BandJitter(offset=-0.1), "BandJitter: offset must be at least 0"),
        (lambda: BrightnessContrast(brightness=-1), "BrightnessContrast: brightness must be at least 0"),
        (lambda: BrightnessContrast(contrast=2), "BrightnessContrast: contrast must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(make: type, words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()
