import pytest
import torch

from eurosat_cls.decoders import LinearHead
from eurosat_cls.encoders import ResNet
from eurosat_cls.utils.errors import UserError


def parameters(*modules: torch.nn.Module) -> int:
    return sum(p.numel() for m in modules for p in m.parameters() if p.requires_grad)


def test_the_default_model_has_fewer_than_one_and_a_half_million_parameters() -> None:
    encoder = ResNet(3)
    assert parameters(encoder, LinearHead(encoder.out_features, 10)) == 1_224_058


def test_cifar_widths_give_the_cifar_resnet18() -> None:
    encoder = ResNet(3, widths=[64, 128, 256, 512], stem_stride=1)
    assert parameters(encoder, LinearHead(encoder.out_features, 10)) == 11_173_962


@pytest.mark.parametrize("channels", [1, 3, 13])
@pytest.mark.parametrize("size", [32, 64])
def test_shapes_follow_from_channels_and_size(channels: int, size: int) -> None:
    encoder = ResNet(channels, widths=(8, 16, 24), blocks=(1, 2, 1), stem_stride=2)
    x = torch.randn(2, channels, size, size)
    assert encoder.forward_map(x).shape == (2, 24, size // 8, size // 8)
    assert encoder(x).shape == (2, encoder.out_features) == (2, 24)
    torch.testing.assert_close(encoder.eval()(x), encoder.forward_map(x).mean((2, 3)))


def test_a_gradient_reaches_every_parameter() -> None:
    encoder = ResNet(3, widths=(8, 16), blocks=(2, 1))
    encoder(torch.randn(4, 3, 32, 32)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_channels_last_and_bfloat16_change_nothing_but_rounding() -> None:
    encoder = ResNet(3, widths=(16, 32), blocks=(1, 1)).eval()
    x = torch.randn(4, 3, 32, 32)
    expected = encoder(x)
    encoder.to(memory_format=torch.channels_last)
    torch.testing.assert_close(encoder(x.contiguous(memory_format=torch.channels_last)), expected, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        low = encoder(x)
    assert (low.float() - expected).abs().max() < 0.05 * expected.abs().max()


def test_saving_and_loading_gives_equal_outputs() -> None:
    a, b = (ResNet(3, widths=(8, 16), blocks=(1, 1)).eval() for _ in range(2))
    x = torch.randn(2, 3, 32, 32)
    assert not torch.equal(a(x), b(x))
    b.load_state_dict(a.state_dict())
    assert torch.equal(a(x), b(x))


@pytest.mark.parametrize(
    "bad",
    [{"widths": (8,)}, {"widths": (), "blocks": ()}, {"stem_stride": 0}, {"stem_kernel": 0}, {"blocks": (1, 0, 1, 1)}],
)
def test_impossible_shapes_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UserError, match="ResNet"):
        ResNet(3, **bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["average", "stride"])
def test_average_downsampling_is_exact_under_flips_and_strides_are_not(how: str) -> None:
    encoder = ResNet(1, widths=(8, 8), blocks=(1, 1), stem_stride=1, downsample=how).double().eval()  # type: ignore[arg-type]
    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.weight.data += module.weight.data.flip(-1)  # symmetric kernels
    x = torch.randn(2, 1, 16, 16, dtype=torch.float64)
    same = torch.allclose(encoder.forward_map(x.flip(-1)), encoder.forward_map(x).flip(-1))
    assert same == (how == "average")
    assert encoder.forward_map(x[..., :9, :13]).shape == (2, 8, 5, 7)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (3, 4, 1), (4, 4, 0), (8, 4, 2)])
def test_a_stem_lies_centred_on_the_patch(kernel: int, stride: int, padding: int) -> None:
    encoder = ResNet(1, widths=(4,), blocks=(1,), stem_stride=stride, stem_kernel=kernel)
    assert encoder.stem[0].padding == (padding, padding)
    assert encoder.forward_map(torch.zeros(1, 1, 64, 64)).shape[-1] == 64 // stride
