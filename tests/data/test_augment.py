import pytest
import torch

from eurosat_cls.data.augment import Dihedral, Shift, augment_batch, dihedral_view
from eurosat_cls.data.batch import Batch
from eurosat_cls.errors import UserError


def batch(size: int = 8, channels: int = 2, n: int = 16, dtype: torch.dtype = torch.uint8) -> Batch:
    image = torch.randint(0, 255, (n, channels, size, size), generator=torch.Generator().manual_seed(1)).to(dtype)
    return Batch(image, torch.arange(n) % 3, torch.arange(100, 100 + n))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_eight_views_are_all_different_and_the_first_is_the_image() -> None:
    image = torch.arange(9).view(1, 3, 3)
    views = {tuple(dihedral_view(image, k).flatten().tolist()) for k in range(8)}
    assert len(views) == 8
    assert torch.equal(dihedral_view(image, 0), image)


def test_eight_epochs_show_every_patch_in_all_of_its_views_once() -> None:
    b = batch()
    seen = [Dihedral()(b, epoch, generator()).image for epoch in range(8)]
    for n in range(len(b.image)):
        expected = {dihedral_view(b.image[n], k).numpy().tobytes() for k in range(8)}
        assert {s[n].numpy().tobytes() for s in seen} == expected


def test_one_epoch_has_patches_in_several_views() -> None:
    b = batch(n=64)
    same = (Dihedral()(b, 0, generator()).image == b.image).flatten(1).all(1)
    assert 0 < same.sum() < 24


def test_random_views_follow_the_generator() -> None:
    b, random = batch(), Dihedral(cycle=False)
    assert torch.equal(random(b, 0, generator(1)).image, random(b, 0, generator(1)).image)
    assert not torch.equal(random(b, 0, generator(1)).image, random(b, 0, generator(2)).image)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int32, torch.float32])
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_a_shift_moves_pixels_and_mirrors_the_edge(dtype: torch.dtype, channels: int) -> None:
    b = batch(channels=channels, dtype=dtype)
    out = Shift(3)(b, 0, generator())
    assert out.image.dtype == dtype
    dy, dx = torch.randint(7, (2, len(b.image), 1), generator=generator())
    for n in range(len(b.image)):
        padded = torch.nn.functional.pad(b.image[n].float(), (3, 3, 3, 3), mode="reflect")
        y, x = int(dy[n]), int(dx[n])
        assert torch.equal(out.image[n].float(), padded[:, y : y + 8, x : x + 8])


def test_a_shift_of_nothing_is_nothing() -> None:
    b = batch()
    assert torch.equal(Shift(0)(b, 0, generator()).image, b.image)


@pytest.mark.parametrize("epoch", range(8))
def test_augmentations_in_one_go_equal_those_one_after_the_other(epoch: int) -> None:
    b, chain = batch(), [Dihedral(), Shift(2), Dihedral(cycle=False), Shift(3)]
    together, one_by_one = augment_batch(chain, b, epoch, generator(5)), b
    shared = generator(5)
    for augmentation in chain:
        one_by_one = augmentation(one_by_one, epoch, shared)
    assert torch.equal(together.image, one_by_one.image)
    assert not torch.equal(together.image, b.image)


@pytest.mark.parametrize("epoch", range(8))
def test_every_view_is_the_one_that_test_time_augmentation_means(epoch: int) -> None:
    b = batch(n=1)
    out = Dihedral()(b, epoch, generator()).image[0]
    view = int((b.index[0] * 2654435761 >> 13) + epoch) % 8
    assert torch.equal(out, dihedral_view(b.image[0], view))


def test_labels_and_indices_stay() -> None:
    b = batch()
    for augmentation in (Dihedral(), Shift(2)):
        out = augmentation(b, 3, generator())
        assert torch.equal(out.target, b.target)
        assert torch.equal(out.index, b.index)


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(UserError, match="square"):
        Dihedral()(Batch(torch.zeros(1, 1, 4, 5), torch.zeros(1), torch.zeros(1)), 0, generator())
    with pytest.raises(UserError, match="Shift"):
        Shift(-1)
    with pytest.raises(UserError, match="too much"):
        Shift(8)(batch(), 0, generator())
