from collections import Counter

import pytest
import torch
from torch.nn.functional import pad

from eurosat_cls.data.augment import Augmentation, Crop, Dihedral, Flip, Shift, augment_batch, dihedral_view
from eurosat_cls.data.batch import Batch
from eurosat_cls.utils.errors import UserError
from tests.data.augment.helpers import batch, generator, same


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


def test_the_view_of_a_patch_follows_from_its_index_and_the_epoch_alone() -> None:
    b = batch(n=32)
    order = torch.randperm(32, generator=generator(7))
    elsewhere = Batch(*(tensor[order] for tensor in b))
    for epoch in (0, 5):
        seen = Dihedral()(b, epoch, generator(0)).image
        assert torch.equal(Dihedral()(elsewhere, epoch, generator(1)).image, seen[order])


def test_one_epoch_has_patches_in_several_views() -> None:
    b = batch(n=64)
    assert 0 < same(Dihedral()(b, 0, generator()).image, b.image).sum() < 24
    assert 0 < same(Dihedral(cycle=False)(b, 0, generator()).image, b.image).sum() < 24


def possible_steps(b: Batch, out: torch.Tensor, pixels: int, mode: str) -> list[list[tuple[int, int]]]:
    """By how much each patch may have been moved to become what it is, with edges filled in this way."""
    height, width = b.image.shape[2:]
    padded = pad(b.image.float(), (pixels,) * 4, mode=mode)
    steps = [(y, x) for y in range(2 * pixels + 1) for x in range(2 * pixels + 1)]
    moved = torch.stack([same(out.float(), padded[:, :, y : y + height, x : x + width]) for y, x in steps])
    return [[(y - pixels, x - pixels) for (y, x), hit in zip(steps, column) if hit] for column in moved.T.tolist()]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int32, torch.float32])
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_a_shift_moves_pixels_and_fills_the_edge(dtype: torch.dtype, channels: int) -> None:
    b = batch((9, 8), channels, dtype=dtype)
    for pixels in (1, 3, 7):
        for part, mode in (
            (Shift(pixels), "reflect"),
            (Crop(pixels, fill="reflect"), "reflect"),
            (Crop(pixels), "constant"),
            (Shift(pixels, fill="zero"), "constant"),
        ):
            found = possible_steps(b, part(b, 0, generator()).image, pixels, mode)
            assert all(found), (pixels, part)
            assert len({tuple(steps) for steps in found}) > 3, "patches move in different ways"


def test_a_shift_goes_as_far_as_it_may_in_every_direction() -> None:
    b = batch((9, 8), n=400)
    found = possible_steps(b, Shift(2, fill="zero")(b, 0, generator()).image, 2, "constant")
    counts = Counter(step for (step,) in found)
    assert len(counts) == 25
    assert all(4 <= count <= 32 for count in counts.values()), "all equally often"


def test_a_shift_of_nothing_is_nothing() -> None:
    b = batch()
    assert torch.equal(Shift(0)(b, 0, generator()).image, b.image)


def test_a_flip_goes_the_ways_that_are_on() -> None:
    b = batch((4, 6), n=200)
    flipped = {"left": b.image.flip(3), "top": b.image.flip(2), "both": b.image.flip(2, 3), "none": b.image}

    def ways(part: Flip) -> dict[str, int]:
        out = part(b, 0, generator()).image
        counts = {name: int(same(out, image).sum()) for name, image in flipped.items()}
        assert sum(counts.values()) == 200
        return {name: count for name, count in counts.items() if count}

    assert ways(Flip(probability=1.0)) == {"left": 200}
    assert ways(Flip(False, True, probability=1.0)) == {"top": 200}
    assert ways(Flip(True, True, probability=1.0)) == {"both": 200}
    assert ways(Flip()).keys() == {"left", "none"}
    assert all(30 < count < 70 for count in ways(Flip(True, True)).values())


@pytest.mark.parametrize("epoch", range(8))
@pytest.mark.parametrize("fill", ["reflect", "zero"])
def test_augmentations_in_one_go_equal_those_one_after_the_other(epoch: int, fill: str) -> None:
    b = batch(8)
    chain: list[Augmentation] = [
        Dihedral(),
        Shift(2, fill=fill),  # type: ignore[arg-type]
        Dihedral(cycle=False, probability=0.6),
        Flip(True, True),
        Shift(3, probability=0.6),
    ]
    together, one_by_one = augment_batch(chain, b, epoch, generator(5)), b
    shared = generator(5)
    for augmentation in chain:
        one_by_one = augmentation(one_by_one, epoch, shared)
    assert torch.equal(together.image, one_by_one.image)
    assert not torch.equal(together.image, b.image)


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(UserError, match="Dihedral needs square patches, got 4x5"):
        Dihedral()(batch((4, 5)), 0, generator())
    with pytest.raises(UserError, match="Shift: pixels must be at least 0, got -1"):
        Shift(-1)
    with pytest.raises(UserError, match="Crop: padding must be at least 0, got -1"):
        Crop(-1)
    with pytest.raises(UserError, match="fill must be reflect or zero, got 'edge'"):
        Shift(fill="edge")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="Shift: 8 pixels are too many for patches of 8x8"):
        Shift(8)(batch(8), 0, generator())
    with pytest.raises(UserError, match="Flip: horizontal or vertical must be true"):
        Flip(horizontal=False)
