"""What is hidden: the right share, in the right places, the same again for the same generator."""

import pytest
import torch

from eurosat_cls import UserError
from eurosat_cls.models.masking import BandMasking, CellMasking, Masking


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("cell", "share", "hidden"), [(8, 0.6, 38), (4, 0.75, 192), (16, 0.01, 1), (32, 0.99, 3)])
def test_every_patch_has_its_share_of_hidden_cells(cell: int, share: float, hidden: int) -> None:
    mask = CellMasking(cell, share)(torch.zeros(5, 3, 64, 64), generator())
    assert mask.dtype == torch.bool
    assert mask.shape == (5, 1, 64, 64)
    assert (mask.flatten(1).sum(1) == hidden * cell**2).all()


def test_cells_are_hidden_as_a_whole_and_on_patches_that_are_not_square() -> None:
    mask = CellMasking(4, 0.5)(torch.zeros(3, 2, 8, 24), generator())
    cells = mask.view(3, 2, 4, 6, 4).permute(0, 1, 3, 2, 4).flatten(3)
    assert (cells.all(-1) | ~cells.any(-1)).all()
    assert (cells.all(-1).flatten(1).sum(1) == 6).all()


@pytest.mark.parametrize(("bands", "share", "hidden"), [(13, 0.3, 4), (2, 0.1, 1), (2, 0.9, 1), (3, 0.99, 2)])
def test_every_patch_has_its_share_of_hidden_bands(bands: int, share: float, hidden: int) -> None:
    mask = BandMasking(share)(torch.zeros(6, bands, 8, 8), generator())
    assert mask.shape == (6, bands, 1, 1)
    assert (mask.flatten(1).sum(1) == hidden).all()


@pytest.mark.parametrize("masking", [CellMasking(), BandMasking(0.5)])
def test_patches_differ_and_the_generator_alone_decides(masking: Masking) -> None:
    x = torch.zeros(20, 4, 64, 64)
    first, second, other = (masking(x, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert len({tuple(row.flatten().tolist()) for row in first}) > 5
    torch.manual_seed(3)
    drawn = masking(x)
    torch.manual_seed(3)
    assert torch.equal(drawn, masking(x)), "without a generator torch's own is used"


def test_every_place_is_hidden_as_often_as_any_other() -> None:
    masks = CellMasking(16, 0.5)(torch.zeros(4000, 1, 64, 64), generator())[:, 0, ::16, ::16].float()
    torch.testing.assert_close(masks.mean(0), torch.full((4, 4), 0.5), atol=0.04, rtol=0)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_of_nothing_or_everything_is_refused(share: float) -> None:
    for kind in (CellMasking, BandMasking):
        with pytest.raises(UserError, match=f"{kind.__name__}: mask_ratio must be between 0 and 1"):
            kind(mask_ratio=share)


def test_cells_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match="cells of 12 pixels do not divide patches of 64x64"):
        CellMasking(12)(torch.zeros(2, 3, 64, 64))
    with pytest.raises(UserError, match="only one cell of 64 pixels"):
        CellMasking(64)(torch.zeros(2, 3, 64, 64))
    with pytest.raises(UserError, match="cell_size must be at least 1"):
        CellMasking(0)


def test_a_single_band_cannot_be_hidden() -> None:
    with pytest.raises(UserError, match="at least two bands"):
        BandMasking()(torch.zeros(2, 1, 8, 8))
