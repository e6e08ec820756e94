import pytest
import torch

from eurosat_cls.data.augment import CutMix, Mixing, Mixup, augment_batch
from eurosat_cls.data.batch import Batch
from eurosat_cls.utils.errors import UserError
from tests.data.augment.helpers import DTYPES, batch, generator, same

each_kind = pytest.mark.parametrize("kind", [Mixup, CutMix])


def labelled(dtype: torch.dtype = torch.float32, n: int = 16, channels: int = 3) -> Batch:
    """Patches of one value each, every one a class of its own: its pixels tell what a mixed patch is made of."""
    value = torch.arange(n).view(-1, 1, 1, 1) * (255 // n if dtype == torch.uint8 else 1000)
    return Batch(value.expand(-1, channels, 12, 10).to(dtype), torch.eye(n), torch.arange(n))


@each_kind
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_targets_are_the_shares_of_the_pixels(kind: type[Mixing], dtype: torch.dtype, channels: int) -> None:
    given = labelled(dtype, channels=channels)
    out = kind(alpha=1.0, probability=1.0)(given, 0, generator())
    torch.testing.assert_close(out.target.sum(1), torch.ones(16))
    assert ((out.target > 0).sum(1) <= 2).all()
    expected = out.target @ given.image[:, 0, 0, 0].float()
    tolerance = 0.5001 if kind is Mixup and not dtype.is_floating_point else 0.01
    assert (out.image.double().mean((2, 3)) - expected[:, None]).abs().max() < tolerance
    assert (out.target.max(1).values < 1).sum() > 10


@each_kind
def test_targets_of_every_task_are_mixed_alike(kind: type[Mixing]) -> None:
    given = labelled()
    share = kind(alpha=1.0, probability=0.7)(given, 0, generator()).target
    several = torch.randint(2, (16, 4), generator=generator()).float()
    binary = several[:, 0]
    for target in (several, binary):
        out = kind(alpha=1.0, probability=0.7)(given._replace(target=target), 0, generator()).target
        torch.testing.assert_close(out, share @ target)


@each_kind
def test_patches_that_are_not_chosen_stay_with_their_targets(kind: type[Mixing]) -> None:
    given = labelled()
    out = kind(alpha=1.0, probability=0.5)(given, 0, generator())
    untouched = same(out.image, given.image)
    assert 4 <= untouched.sum() <= 12
    assert torch.equal(out.target[untouched], given.target[untouched])
    assert (out.target[~untouched] != given.target[~untouched]).any(1).all()


def test_mixup_is_one_average_of_the_whole_patch() -> None:
    given = batch(dtype=torch.float32, n=8, classes=8)
    out = Mixup(alpha=1.0, probability=1.0)(given, 0, generator())
    expected = torch.einsum("nk,kchw->nchw", out.target, given.image)
    torch.testing.assert_close(out.image, expected, rtol=1e-5, atol=0.1)


def test_cutmix_pastes_a_box_of_the_patch_s_shape_at_its_place() -> None:
    given = batch((24, 16), n=100, classes=100, dtype=torch.uint16)
    out = CutMix(probability=1.0)(given, 0, generator())
    whole = 0
    for n in range(100):
        partner = next((k for k in range(100) if k != n and out.target[n, k] > 0), n)
        pasted = (out.image[n] != given.image[n]).any(0)
        if not pasted.any():
            continue
        assert torch.equal(out.image[n][:, pasted], given.image[partner][:, pasted])
        rows, columns = pasted.any(1).nonzero().flatten(), pasted.any(0).nonzero().flatten()
        height, width = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        assert out.target[n, partner] == pytest.approx(height * width / (24 * 16), abs=0.01)
        cut = rows[0] == 0 or columns[0] == 0 or rows[-1] == 23 or columns[-1] == 15
        whole += not cut
        assert cut or abs(height / 24 - width / 16) <= 1 / 16
    assert whole >= 5


def test_boxes_have_the_wanted_area_unless_cut_and_lie_everywhere() -> None:
    given = labelled(n=400)
    out = CutMix(alpha=1e4, probability=1.0)(given, 0, generator())
    pasted = 1 - out.target.diagonal()
    assert 0.46 < pasted.max() < 0.54
    assert pasted.min() < 0.3  # cut at a corner
    often = (out.image != given.image)[:, 0].float().mean(0)
    assert often.min() > 0.1
    assert (often - often.flip(0, 1)).abs().max() < 0.2


def test_alpha_says_how_pure_patches_stay() -> None:
    given = labelled(n=200)

    def purity(alpha: float) -> float:
        return float(Mixup(alpha, probability=1.0)(given, 0, generator()).target.max(1).values.mean())

    assert purity(0.01) > 0.98
    assert purity(1.0) == pytest.approx(0.75, abs=0.03)
    assert purity(100.0) < 0.56


def test_two_mixings_in_a_row_still_sum_to_one() -> None:
    out = augment_batch([Mixup(1.0, probability=1.0), CutMix(probability=1.0)], labelled(), 0, generator())
    torch.testing.assert_close(out.target.sum(1), torch.ones(16))
    assert (out.target > 0).sum(1).max() > 2


@each_kind
def test_class_indices_are_not_mixed(kind: type[Mixing]) -> None:
    with pytest.raises(AssertionError, match="floating"):
        kind(alpha=1.0)(labelled()._replace(target=torch.arange(16)), 0, generator())
    with pytest.raises(UserError, match=f"{kind.__name__}: alpha must be above 0, got 0"):
        kind(alpha=0)
