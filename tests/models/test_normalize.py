import pytest
import torch

from eurosat_cls.models.normalize import NoNormalize, Normalize
from eurosat_cls.utils.errors import UserError

MEAN, STD = [90.0, 97.0, 104.0], [52.0, 35.0, 30.0]


def test_raw_bytes_become_mean_zero_and_std_one() -> None:
    image = torch.randn(64, 3, 16, 16) * torch.tensor(STD)[:, None, None] * 0.5 + torch.tensor(MEAN)[:, None, None]
    image = image.round().clamp(0, 255).to(torch.uint8)
    out = Normalize(MEAN, STD)(image)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(3), atol=0.02, rtol=0)
    torch.testing.assert_close(out.std((0, 2, 3)), torch.full((3,), 0.5), atol=0.02, rtol=0)


def test_sixteen_bit_values_above_the_signed_range_survive() -> None:
    image = torch.full((1, 1, 2, 2), 60000, dtype=torch.uint16)
    assert Normalize([50000.0], [5000.0])(image).allclose(torch.tensor(2.0), atol=1e-4)


@pytest.mark.parametrize(("mean", "std"), [([1.0], [1.0, 2.0]), ([1.0], [0.0]), ([1.0], [float("nan")])])
def test_statistics_that_cannot_be_are_refused(mean: list[float], std: list[float]) -> None:
    with pytest.raises(UserError):
        Normalize(mean, std)


def test_inverting_gives_the_raw_values_back() -> None:
    image = torch.randint(0, 4000, (2, 3, 4, 4), dtype=torch.int32)
    normalize = Normalize([900.0, 1000.0, 1200.0], [100.0, 300.0, 2.0])
    torch.testing.assert_close(normalize.invert(normalize(image)), image.float(), rtol=1e-5, atol=1e-2)
    assert torch.equal(NoNormalize().invert(NoNormalize()(image)), image.float())
