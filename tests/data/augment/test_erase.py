import pytest
import torch

from eurosat_cls.data.augment import BandDropout, Cutout
from eurosat_cls.utils.errors import UserError
from tests.data.augment.helpers import DTYPES, batch, generator


def rounded_mean(image: torch.Tensor) -> torch.Tensor:
    mean = image.double().mean((-2, -1), keepdim=True)
    return mean if image.dtype.is_floating_point else mean.round()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 13])
@pytest.mark.parametrize("fill", ["mean", "zero"])
def test_a_hole_is_a_square_in_all_bands_and_the_rest_stays(dtype: torch.dtype, channels: int, fill: str) -> None:
    given = batch((20, 14), channels, n=200, dtype=dtype)
    given = given._replace(image=given.image.clamp(1) if dtype.is_floating_point else given.image)
    out = Cutout(5, fill=fill, probability=1.0)(given, 0, generator()).image  # type: ignore[arg-type]
    expected = rounded_mean(given.image) if fill == "mean" else torch.zeros(1)
    changed = (out != given.image).any(1)
    heights, widths = set(), set()
    for n, hole in enumerate(changed):
        rows, columns = hole.any(1).nonzero().flatten(), hole.any(0).nonzero().flatten()
        top, left, bottom, right = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
        inside = out[n, :, top:bottom, left:right].double()
        wanted = expected[n] if fill == "mean" else expected.double()
        torch.testing.assert_close(inside, wanted.expand_as(inside), rtol=1e-6, atol=0)
        assert out[n, :, :top].equal(given.image[n, :, :top])
        assert bottom - top == 5 or top == 0 or bottom == 20
        assert right - left == 5 or left == 0 or right == 14
        heights.add(bottom - top)
        widths.add(right - left)
    assert heights == widths == {3, 4, 5}  # the centre is in the patch


def test_centres_are_everywhere() -> None:
    given = batch(6, 1, n=2000, dtype=torch.float32)
    out = Cutout(1, probability=1.0, fill="zero")(given, 0, generator()).image
    counts = (out != given.image).sum((0, 1))
    assert counts.sum() == 2000
    assert counts.min() > 30  # of 56 on average
    assert counts.max() < 85


def test_there_are_as_many_holes_as_asked_for() -> None:
    given = batch(64, 1, n=50, dtype=torch.uint16)
    out = Cutout(2, holes=30, fill="zero", probability=1.0)(given, 0, generator()).image
    covered = (out != given.image).flatten(1).sum(1)
    assert covered.max() <= 120
    assert covered.min() > 90  # some overlap, some are cut


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("channels", "bands"), [(3, 1), (3, 2), (13, 1), (13, 5)])
def test_whole_bands_are_replaced_by_their_mean(dtype: torch.dtype, channels: int, bands: int) -> None:
    given = batch(channels=channels, n=100, dtype=dtype)
    out = BandDropout(bands, probability=1.0)(given, 0, generator()).image
    flat = out.flatten(2).double().std(2) == 0
    assert (flat.sum(1) == bands).all()
    assert (flat.sum(0) > 0).all()
    mean = rounded_mean(given.image).expand_as(out)
    torch.testing.assert_close(out.double()[flat], mean[flat], rtol=1e-6, atol=0)
    assert torch.equal(out.double()[~flat], given.image.double()[~flat])


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(UserError, match="BandDropout: cannot drop 3 of 3 bands, one must be left"):
        BandDropout(3, probability=1.0)(batch(), 0, generator())
    with pytest.raises(UserError, match="BandDropout: bands must be at least 1, got 0"):
        BandDropout(0)
    with pytest.raises(UserError, match="Cutout: size must be at least 1, got 0"):
        Cutout(0)
    with pytest.raises(UserError, match="Cutout: holes must be at least 1, got 0"):
        Cutout(holes=0)
    with pytest.raises(UserError, match="Cutout: fill must be mean or zero, got 'median'"):
        Cutout(fill="median")  # type: ignore[arg-type]
