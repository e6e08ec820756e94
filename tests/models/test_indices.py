import copy
from typing import Any

import numpy as np
import pytest
import torch

from eurosat_cls.data.sentinel2 import BANDS, INDICES, TABLE
from eurosat_cls.models.indices import SpectralIndices, Standardize, WithIndices
from eurosat_cls.models.normalize import Normalize
from eurosat_cls.utils.errors import UserError


def raw(dtype: torch.dtype = torch.uint16, channels: int = 13, most: int = 9000) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(1, most, (6, channels, 8, 9))).to(dtype)


@pytest.mark.parametrize("name", INDICES)
def test_every_index_is_its_formula(name: str) -> None:
    image = raw()
    values = {alias: image[:, BANDS.index(band.name)].double().numpy() for band in TABLE for alias in band.aliases}
    expected = eval(INDICES[name], {"__builtins__": {}}, values)
    got = SpectralIndices(BANDS, [name])(image)
    assert got.shape == (6, 1, 8, 9)
    np.testing.assert_allclose(got[:, 0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", INDICES)
def test_no_index_depends_on_the_unit(name: str) -> None:
    reflectance = raw(torch.float32) / 10_000
    index = SpectralIndices(BANDS, [name])
    torch.testing.assert_close(index(reflectance), index(raw()), rtol=1e-4, atol=1e-5)


def test_indices_come_in_the_order_asked_for() -> None:
    image = raw()
    both = SpectralIndices(BANDS, ["NDWI", "nir / red", "ndvi"])(image)
    for position, name in enumerate(["ndwi", "B08 / B04", "(b8 - b4) / (b8 + b4)"]):
        assert torch.equal(both[:, position], SpectralIndices(BANDS, [name])(image)[:, 0])


def test_bands_are_found_by_name_whatever_their_order() -> None:
    image = raw()
    expected = SpectralIndices(BANDS, ["NDVI"])(image)
    assert torch.equal(SpectralIndices(["nir", "B03", "B4"], ["NDVI"])(image[:, [7, 2, 3]]), expected)
    assert torch.equal(SpectralIndices(["x1", "x2"], ["(x2 - x1) / (x2 + x1)"])(image[:, [3, 7]]), expected)


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.uint16, torch.int16, torch.int32, torch.float16, torch.bfloat16, torch.float64]
)
def test_any_dtype_gives_float32(dtype: torch.dtype) -> None:
    image = raw(torch.int32, 4, 250)
    index = SpectralIndices(["B02", "B03", "B04", "B08"], ["NDVI", "GLI"])
    got = index(image.to(dtype))
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, index(image.to(dtype).float()), rtol=0, atol=0)


def test_sixteen_bit_values_above_the_signed_range_survive() -> None:
    image = torch.tensor([20_000, 60_000], dtype=torch.uint16).view(1, 2, 1, 1)
    assert SpectralIndices(["B04", "B08"], ["NDVI"])(image).item() == 0.5


@pytest.mark.parametrize("name", INDICES)
def test_empty_patches_give_finite_values_and_gradients(name: str) -> None:
    image = torch.cat([torch.zeros(2, 13, 8, 9), raw(torch.float32)]).requires_grad_()
    index = SpectralIndices(BANDS, [name])(image)
    (gradient,) = torch.autograd.grad(index.sum(), image)
    assert (index[:2] == (-1 if name == "CIRE" else 0)).all()
    assert index.isfinite().all()
    assert gradient.isfinite().all()
    assert gradient[2:].abs().sum() > 0


def test_autocast_changes_nothing() -> None:
    image, layer = raw(), WithIndices(Normalize([3000.0] * 13, [900.0] * 13), SpectralIndices(BANDS, list(INDICES)[:9]))
    layer.eval()
    plain = layer(image)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(image), plain)
    assert plain.dtype == torch.float32


@pytest.mark.parametrize(
    ("bands", "indices", "said"),
    [
        (["B04", "B03", "B02"], ["NDVI"], "'NDVI' needs B08, which the input does not have; its bands are B04, B03"),
        (["B04", "B08"], ["NDVI", "nir / swir1"], "'nir / swir1' needs B11"),
        (BANDS, ["NDVY"], "'NDVY' is neither an index nor a band. Did you mean 'NDVI'"),
        (BANDS, ["nir / rad"], "'rad' in 'nir / rad' is neither an index nor a band. Did you mean 'red'"),
        (BANDS, ["NDVI - red"], r"names the index NDVI, .* write \(\(nir - red\) / \(nir \+ red\)\) instead"),
        (BANDS, ["NDVI", "NDVI"], "'NDVI' and 'NDVI' are the same index"),
        (BANDS, ["MNDWI", "NDSI"], "'MNDWI' and 'NDSI' are the same index"),
        (BANDS, ["NDVI", "(B08 - B04) / (B08 + B04)"], "are the same index"),
        (BANDS, [], "at least one"),
        (BANDS, ["open('x')"], r"contains \"open\('x'\)\""),
    ],
)
def test_what_cannot_be_is_named(bands: list[str], indices: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as raised:
        SpectralIndices(bands, indices)
    assert "\n" not in str(raised.value)


# --- standardising ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1.0, 1e6])
def test_channels_of_any_scale_become_mean_0_and_std_1(scale: float) -> None:
    draw = torch.Generator().manual_seed(0)
    batches = scale * (torch.randn(10, 16, 2, 8, 8, generator=draw) + torch.arange(10.0)[:, None, None, None, None])
    layer = Standardize(2)
    for batch in batches:
        layer(batch)
    everything = batches.transpose(1, 2).reshape(10, 2, -1).transpose(0, 1).reshape(2, -1)
    torch.testing.assert_close(layer.mean, everything.mean(1), rtol=1e-4, atol=0)
    torch.testing.assert_close(layer.variance, everything.var(1, correction=0), rtol=1e-4, atol=0)
    out = layer.eval()(batches.flatten(0, 1))
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(2), rtol=0, atol=1e-3)
    torch.testing.assert_close(out.std((0, 2, 3)), torch.ones(2), rtol=0, atol=1e-3)


@pytest.mark.parametrize("constant", [0.0, 1.0, -0.3, 1e5])
def test_a_channel_that_never_varies_is_only_centred(constant: float) -> None:
    layer = Standardize(1)
    for _ in range(3):
        assert layer(torch.full((4, 1, 8, 8), constant)).abs().max() <= 1e-6 * abs(constant)
    other = layer.eval()(torch.full((4, 1, 8, 8), constant + 0.5))
    assert 0.4 < other.mean() < 0.6


def test_evaluation_changes_no_statistics_and_equals_training() -> None:
    layer, image = Standardize(3), torch.rand(4, 3, 8, 8)
    trained = layer(image)
    state = copy.deepcopy(layer.state_dict())
    assert torch.equal(layer.eval()(image), trained)
    layer(torch.rand(4, 3, 8, 8) * 9)
    assert all(torch.equal(value, state[key]) for key, value in layer.state_dict().items())


# --- bands and indices together -----------------------------------------------------------------------------------


def with_indices(indices: list[str], **normalize: Any) -> WithIndices:
    normal = Normalize(normalize.get("mean", [4500.0] * 13), normalize.get("std", [2600.0] * 13))
    return WithIndices(normal, SpectralIndices(BANDS, indices))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_indices_follow_the_bands(memory_format: torch.memory_format) -> None:
    layer = with_indices(["NDVI", "NDWI", "1 / B04"])
    image = raw().contiguous(memory_format=memory_format)
    out = layer(image)
    assert out.shape == (6, 16, 8, 9)
    assert layer.extra_channels == 3
    assert out.is_contiguous(memory_format=memory_format)
    assert torch.equal(out[:, :13], layer.normalize(image))
    torch.testing.assert_close(out[:, 13:].mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-4)
    torch.testing.assert_close(out[:, 13:].std((0, 2, 3), correction=0), torch.ones(3), rtol=0, atol=1e-4)


def test_saved_and_reloaded_it_gives_the_same() -> None:
    layer = with_indices(["NDVI", "nir / red"])
    for _ in range(3):
        layer(raw())
    again = with_indices(["NDVI", "nir / red"])
    again.load_state_dict(layer.state_dict())
    assert torch.equal(again.eval()(raw()), layer.eval()(raw()))
    assert torch.equal(copy.deepcopy(layer)(raw()), layer(raw()))


def test_it_is_exported_as_it_computes() -> None:
    layer = with_indices(["NDVI", "nir**0.5 / red**0.5"]).eval()
    image = raw(torch.float32)
    program = torch.export.export(layer, (image,))
    torch.testing.assert_close(program.module()(image), layer(image), rtol=1e-5, atol=1e-6)


def test_a_printed_model_names_its_indices() -> None:
    assert "NDVI, nir / red" in str(with_indices(["NDVI", "nir / red"]))
