"""What every augmentation promises."""

import pytest
import torch

from eurosat_cls.data.augment import Augmentation, Dihedral, augment_batch, check_schedule
from eurosat_cls.data.batch import Batch
from eurosat_cls.utils.errors import UserError
from tests.data.augment.helpers import DTYPES, EVERY, RESHAPING, TINTING, batch, generator, same

every = pytest.mark.parametrize("kind", EVERY)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


@every
@each_dtype
@pytest.mark.parametrize("channels", [2, 3, 13])
def test_the_batch_keeps_its_form_and_the_callers_tensors_stay(
    kind: type[Augmentation], dtype: torch.dtype, channels: int
) -> None:
    given = batch(channels=channels, dtype=dtype)
    before = Batch(*(tensor.clone() for tensor in given))
    out = kind(probability=0.7)(given, 3, generator())
    assert (out.image.shape, out.image.dtype, out.image.is_contiguous()) == (given.image.shape, dtype, True)
    assert not torch.equal(out.image, given.image)
    assert out.indices is given.indices
    for now, then in zip(given, before):
        assert torch.equal(now, then)


@every
@each_dtype
def test_probability_0_changes_nothing(kind: type[Augmentation], dtype: torch.dtype) -> None:
    given = batch(dtype=dtype)
    out = kind(probability=0.0)(given, 3, generator())
    assert torch.equal(out.image, given.image)
    assert torch.equal(out.target, given.target)


@pytest.mark.parametrize("kind", TINTING)
@each_dtype
def test_probability_1_changes_every_patch(kind: type[Augmentation], dtype: torch.dtype) -> None:
    given = batch(dtype=dtype, n=64)
    assert not same(kind(probability=1.0)(given, 3, generator()).image, given.image).any()


@every
def test_about_half_of_the_patches_are_changed_by_probability_one_half(kind: type[Augmentation]) -> None:
    given = batch(n=400, size=8)
    changed = (~same(kind(probability=0.5)(given, 3, generator()).image, given.image)).sum()
    assert 140 < changed < 250


@every
def test_the_outcome_follows_from_the_generator(kind: type[Augmentation]) -> None:
    given = batch()
    out = kind(probability=0.7)(given, 3, generator(1)).image
    assert torch.equal(out, kind(probability=0.7)(given, 3, generator(1)).image)
    assert not torch.equal(out, kind(probability=0.7)(given, 3, generator(2)).image)


@every
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int16, torch.int32])
def test_integers_become_what_floats_become_rounded_and_clamped(kind: type[Augmentation], dtype: torch.dtype) -> None:
    limits = torch.iinfo(dtype)
    given = batch(dtype=dtype, channels=13)
    as_float = given._replace(image=given.image.to(torch.float64 if dtype.itemsize > 2 else torch.float32))
    out = kind(probability=0.7)(given, 3, generator())
    expected = kind(probability=0.7)(as_float, 3, generator())
    assert torch.equal(out.image.double(), expected.image.double().round().clamp(limits.min, limits.max))
    assert torch.equal(out.target, expected.target)


@every
def test_no_pixel_is_looked_at_to_decide_what_is_drawn(kind: type[Augmentation]) -> None:
    # A meta tensor has no pixels, and takes part in no operation with a tensor of the CPU.
    given = batch(dtype=torch.uint16)
    absent = Batch(*(tensor.to("meta") for tensor in given))
    here, there = generator(), generator()
    kind(probability=0.7)(given, 3, here)
    out = kind(probability=0.7)(absent, 3, there)
    assert out.image.is_meta
    assert torch.equal(here.get_state(), there.get_state())


@pytest.mark.parametrize("kind", [*RESHAPING, *TINTING])
def test_patches_do_not_depend_on_each_other(kind: type[Augmentation]) -> None:
    given = batch(dtype=torch.float32)
    other = given._replace(image=given.image.clone())
    other.image[0] += 1000
    out, changed = (kind(probability=1.0)(b, 3, generator()).image for b in (given, other))
    assert torch.equal(out[1:], changed[1:])
    assert torch.equal(kind(probability=1.0)(given, 3, generator()).target, given.target)


@pytest.mark.parametrize("kind", [kind for kind in EVERY if kind is not Dihedral])
def test_patches_need_not_be_square(kind: type[Augmentation]) -> None:
    given = batch((12, 20))
    out = kind(probability=1.0)(given, 3, generator())
    assert out.image.shape == given.image.shape
    assert not torch.equal(out.image, given.image)


@every
def test_an_augmentation_can_be_off_in_the_last_epochs(kind: type[Augmentation]) -> None:
    given, part = batch(), kind(probability=0.7, disable_last_epochs=2)

    def changes(epoch: int, epochs: int | None) -> bool:
        return not torch.equal(augment_batch([part], given, epoch, generator(), epochs).image, given.image)

    assert [changes(epoch, 6) for epoch in range(6)] == [True] * 4 + [False] * 2
    assert changes(5, None)


def test_all_of_them_in_a_row_give_the_same_again_and_leave_the_given_batch() -> None:
    parts, given = [kind(probability=0.7) for kind in EVERY], batch(channels=13, dtype=torch.uint16)
    before = given.image.clone()
    once, again = (augment_batch(parts, given, 3, generator()) for _ in range(2))
    assert torch.equal(once.image, again.image)
    assert torch.equal(once.target, again.target)
    assert torch.equal(given.image, before)


def test_memory_order_does_not_matter() -> None:
    given = batch()
    strided = given._replace(image=given.image.to(memory_format=torch.channels_last))
    for kind in EVERY:
        out = (kind(probability=0.7)(b, 3, generator()).image for b in (given, strided))
        assert torch.equal(*out)


@every
def test_settings_out_of_range_are_refused_by_name(kind: type[Augmentation]) -> None:
    with pytest.raises(UserError, match=rf"{kind.__name__}: probability must be between 0 and 1, got 1.5"):
        kind(probability=1.5)
    with pytest.raises(UserError, match=rf"{kind.__name__}: disable_last_epochs must be at least 0, got -1"):
        kind(disable_last_epochs=-1)


@every
def test_an_empty_batch_stays_empty(kind: type[Augmentation]) -> None:
    assert kind(probability=1.0)(batch(n=0), 0, generator()).image.shape == (0, 3, 16, 16)


def test_an_off_last_epochs_that_does_not_do_what_it_says_is_a_warning() -> None:
    parts = [Dihedral(disable_last_epochs=5), Dihedral()]
    with pytest.warns(UserWarning, match="Dihedral: disable_last_epochs has no effect without trainer.max_epochs"):
        check_schedule(parts, None)
    with pytest.warns(UserWarning, match="Dihedral is off in all of the 5 epochs: disable_last_epochs is 5"):
        check_schedule(parts, 5)
    check_schedule(parts, 6)
