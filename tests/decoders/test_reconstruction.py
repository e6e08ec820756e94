import pytest
import torch

from eurosat_cls.decoders import ConvolutionalReconstruction, LinearReconstruction
from eurosat_cls.decoders.identity import Identity
from eurosat_cls.decoders.mlp import MLP
from eurosat_cls.decoders.tokens import AttentionPooling
from eurosat_cls.utils.errors import UserError


@pytest.mark.parametrize("scale", [1, 2, 8])
def test_size_is_that_of_the_map_times_scale(scale: int) -> None:
    x = torch.randn(2, 12, 4, 6)
    assert LinearReconstruction(12, 3, scale=scale)(x).shape == (2, 3, 4 * scale, 6 * scale)
    assert ConvolutionalReconstruction(12, 3, scale=scale, width=16)(x).shape == (2, 3, 4 * scale, 6 * scale)


def test_linear_reconstruction_fills_each_cell_from_its_own_features() -> None:
    decoder = LinearReconstruction(12, 3, scale=4)
    x = torch.randn(1, 12, 3, 5)
    changed = x.clone()
    changed[0, :, 1, 2] += 1.0
    difference = (decoder(changed) - decoder(x)).abs().sum((0, 1)) > 0
    expected = torch.zeros(12, 20, dtype=torch.bool)
    expected[4:8, 8:12] = True
    assert torch.equal(difference, expected)


def test_linear_reconstruction_can_learn_any_cell() -> None:
    decoder = LinearReconstruction(48, 3, scale=4)
    patch = torch.randn(2, 3, 8, 12)
    cells = torch.nn.functional.pixel_unshuffle(patch, 4)
    torch.nn.init.zeros_(decoder.linear.bias)  # type: ignore[arg-type]
    torch.nn.init.eye_(decoder.linear.weight.data[:, :, 0, 0])
    torch.testing.assert_close(decoder(cells), patch)


def test_features_are_one_cell() -> None:
    decoder = LinearReconstruction(12, 3, scale=16, takes="features")
    assert decoder.takes == "features"
    features = torch.randn(2, 12)
    assert torch.equal(decoder(features), decoder(features[..., None, None]))


def test_convolutions_look_beyond_a_cell() -> None:
    decoder = ConvolutionalReconstruction(12, 3, scale=4, width=16).eval()
    x = torch.randn(1, 12, 6, 6)
    changed = x.clone()
    changed[0, :, 3, 3] += 1.0
    touched = ((decoder(changed) - decoder(x)).abs().sum((0, 1)) > 0).sum()
    assert touched > 16


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LinearReconstruction(8, 3, scale=0), "scale"),
        (lambda: LinearReconstruction(8, 3, takes="tokens"), "map or features"),
        (lambda: ConvolutionalReconstruction(8, 3, scale=6), "power of 2"),
        (lambda: ConvolutionalReconstruction(8, 3, scale=0), "power of 2"),
        (lambda: ConvolutionalReconstruction(8, 3, width=0), "width"),
        (lambda: Identity(160, 10), "160 features, but 10 outputs"),
        (lambda: Identity(10, 10, takes="tokens"), "features or map"),
        (lambda: MLP(8, 3, hidden=[16, 0]), "MLP: hidden"),
        (lambda: MLP(8, 3, dropout=1.0), "MLP: dropout"),
        (lambda: AttentionPooling(8, 3, hidden=0), "AttentionPooling: hidden"),
        (lambda: AttentionPooling(8, 3, dropout=-0.1), "AttentionPooling: hidden"),
    ],
)
def test_impossible_settings_are_refused(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]
