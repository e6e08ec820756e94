"""What transformer and exchanger have in common."""

import io
import pickle
from functools import partial

import pytest
import torch

from eurosat_cls.embeddings import LearnedPositions, PatchBandsEncoding, PixelEncoding, PositionalEncoding
from eurosat_cls.encoders import Encoder, Exchanger, ResNet, Transformer
from eurosat_cls.encoders.tokens import TokenEncoder
from eurosat_cls.utils.errors import UserError

BOTH = pytest.mark.parametrize("family", [Transformer, Exchanger])
BANDS = pytest.mark.parametrize("bands_encoder", [PixelEncoding, PatchBandsEncoding])


def small(family: type[TokenEncoder], channels: int = 3, **settings: object) -> TokenEncoder:
    torch.manual_seed(0)
    return family(channels, **{"d_model": 32, "num_heads": 4, "num_layers": 2, "patch_size": 8, **settings})  # type: ignore[arg-type]


def series(channels: int = 13, length: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Values, positions and padding of four series, the last one without padding."""
    torch.manual_seed(1)
    lengths = torch.tensor([3, 7, 1, length])
    mask = torch.arange(length) >= lengths[:, None]
    return torch.randn(4, length, channels), torch.randint(1, 366, (4, length)), mask


@BOTH
@BANDS
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_shapes_follow_from_channels_and_patch_size(
    family: type[TokenEncoder], bands_encoder: type, channels: int
) -> None:
    encoder = small(family, channels, bands_encoder=bands_encoder)
    x = torch.randn(2, channels, 32, 64)
    assert encoder.forward_map(x).shape == (2, 32, 4, 8)
    assert encoder(x).shape == (2, encoder.out_features) == (2, 32)
    tokens = encoder.forward_tokens(x)
    assert tokens.features.shape == (2, 32, 32)
    assert tokens.mask is None


@BOTH
def test_map_tokens_and_features_agree(family: type[TokenEncoder]) -> None:
    encoder = small(family).eval()
    x = torch.randn(2, 3, 32, 32)
    tokens = encoder.forward_tokens(x).features
    torch.testing.assert_close(encoder.forward_map(x).flatten(2).transpose(1, 2), tokens)
    torch.testing.assert_close(encoder(x), tokens.mean(1))


@BOTH
def test_a_cell_of_the_map_lies_where_its_pixels_do(family: type[TokenEncoder]) -> None:
    encoder = small(family, num_layers=1).eval()
    for name, parameter in encoder.blocks.named_parameters():  # blocks that add nothing: tokens stay apart
        if "attention_out" in name or "exchange_out" in name or "mlp.2" in name:
            torch.nn.init.zeros_(parameter)
    x = torch.randn(1, 3, 32, 64)
    changed = x.clone()
    changed[0, :, 17, 42] += 5.0  # row 2, column 5 of the cells
    difference = (encoder.forward_map(changed) - encoder.forward_map(x)).abs().sum(1)[0]
    assert difference.nonzero().tolist() == [[2, 5]]


@BOTH
def test_positions_tell_equal_tokens_apart(family: type[TokenEncoder]) -> None:
    encoder = small(family).eval()
    tokens = encoder.forward_tokens(torch.ones(1, 3, 32, 32)).features[0]
    assert torch.cdist(tokens, tokens).fill_diagonal_(1).min() > 1e-3


@BOTH
@BANDS
@pytest.mark.parametrize("kind", ["patch", "series"])
def test_a_gradient_reaches_every_parameter(family: type[TokenEncoder], bands_encoder: type, kind: str) -> None:
    encoder = small(family, 13, bands_encoder=bands_encoder, position_encoder=LearnedPositions)
    weights = torch.randn(32)  # a plain sum would be constant behind the normalisation
    out = encoder(torch.randn(4, 13, 32, 32)) if kind == "patch" else encoder(series()[0], mask=series()[2])
    (out @ weights).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@BOTH
def test_training_and_evaluation_agree_once_the_statistics_do(family: type[TokenEncoder]) -> None:
    encoder = small(family)
    x = torch.randn(16, 3, 32, 32)
    for norm in encoder.bands_encoder.norms:  # type: ignore[union-attr]
        norm.momentum = 1.0
    trained = encoder(x)
    torch.testing.assert_close(encoder.eval()(x), trained, rtol=1e-3, atol=1e-3)


@BOTH
def test_dropout_acts_in_training_only(family: type[TokenEncoder]) -> None:
    encoder = small(family, dropout=0.5)
    x = torch.randn(2, 3, 32, 32)
    assert not torch.equal(encoder(x), encoder(x))
    encoder.eval()
    assert torch.equal(encoder(x), encoder(x))


@BOTH
def test_saving_loading_and_pickling_give_equal_outputs(family: type[TokenEncoder]) -> None:
    a, x = small(family).eval(), torch.randn(2, 3, 32, 32)
    b = family(3, d_model=32, num_layers=2).eval()  # type: ignore[call-arg]
    assert not torch.equal(a(x), b(x))
    file = io.BytesIO()
    torch.save(a.state_dict(), file)
    file.seek(0)
    b.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(a(x), b(x))
    assert torch.equal(a(x), pickle.loads(pickle.dumps(a))(x))


@BOTH
@BANDS
def test_channels_last_and_bfloat16_change_nothing_but_rounding(
    family: type[TokenEncoder], bands_encoder: type
) -> None:
    encoder = small(family, bands_encoder=bands_encoder).eval()
    x = torch.randn(4, 3, 32, 32)
    expected = encoder(x)
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.testing.assert_close(encoder(x.contiguous(memory_format=torch.channels_last)), expected, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        low = encoder(x)
    assert (low.float() - expected).abs().max() < 0.05 * expected.abs().max()


@BOTH
def test_bfloat16_trains_patches_and_padded_series(family: type[TokenEncoder]) -> None:
    encoder, (x, positions, mask) = small(family, 13), series()
    with torch.autocast("cpu", torch.bfloat16):
        out = encoder(torch.randn(4, 13, 32, 32)).float().sum() + encoder(x, positions, mask).float().sum()
    out.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


@pytest.mark.slow
@BOTH
def test_forward_compiles_without_a_break(family: type[TokenEncoder]) -> None:
    encoder, (x, positions, mask) = small(family, 13), series()
    compiled = torch.compile(encoder.eval(), backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, positions, mask), encoder(x, positions, mask))
    patch = torch.randn(2, 13, 16, 16)
    torch.testing.assert_close(compiled(patch), encoder(patch))


# --- series ------------------------------------------------------------------------------------------------------


@BOTH
@BANDS
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("rubbish", [1e4, float("nan"), float("inf")])
def test_padding_never_influences_the_output(
    family: type[TokenEncoder], bands_encoder: type, training: bool, rubbish: float
) -> None:
    encoder = small(family, 13, bands_encoder=bands_encoder, patch_size=1).train(training)
    x, positions, mask = series()
    state = {k: v.clone() for k, v in encoder.state_dict().items()}
    tokens = encoder.forward_tokens(x, positions, mask).features
    features = encoder(x, positions, mask)
    encoder.load_state_dict(state)
    spoilt = x.masked_fill(mask[..., None], rubbish)
    elsewhere = positions.masked_fill(mask, 300)
    assert torch.equal(encoder.forward_tokens(spoilt, elsewhere, mask).features, tokens)
    assert torch.equal(encoder(spoilt, elsewhere, mask), features)
    assert not tokens[mask].any()
    if not training:  # nor does its length
        longer = torch.cat([x, torch.full((4, 5, 13), rubbish)], 1)
        more = torch.cat([mask, torch.ones(4, 5, dtype=torch.bool)], 1)
        out = encoder(longer, torch.cat([positions, positions[:, :5]], 1), more)
        torch.testing.assert_close(out, features, rtol=1e-4, atol=1e-5)


@BOTH
def test_no_gradient_flows_into_padding(family: type[TokenEncoder]) -> None:
    encoder, (x, positions, mask) = small(family, 13, patch_size=1), series()
    x.requires_grad_()
    encoder(x, positions, mask).square().sum().backward()
    assert x.grad is not None
    assert not x.grad[mask].any()
    assert x.grad[~mask].abs().sum(-1).all()


@BOTH
def test_a_series_of_nothing_but_padding_gives_zeros_and_finite_gradients(family: type[TokenEncoder]) -> None:
    encoder, (x, positions, mask) = small(family, 13, patch_size=1), series()
    mask[1] = True
    out = encoder(x, positions, mask)
    assert not out[1].any()
    assert out[0].any()
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


@BOTH
def test_a_mask_that_masks_nothing_changes_nothing(family: type[TokenEncoder]) -> None:
    encoder, (x, positions, mask) = small(family, 13, patch_size=1).eval(), series()
    torch.testing.assert_close(encoder(x, positions, torch.zeros_like(mask)), encoder(x, positions))


@BOTH
def test_order_does_not_matter_beyond_positions(family: type[TokenEncoder]) -> None:
    encoder, (x, positions, _) = small(family, 13, patch_size=1).eval(), series()
    order = torch.randperm(x.shape[1])
    torch.testing.assert_close(encoder(x[:, order], positions[:, order]), encoder(x, positions), rtol=1e-4, atol=1e-5)
    assert (encoder(x[:, order]) - encoder(x)).abs().max() > 1e-3  # positions that follow from the order


@BOTH
@BANDS
def test_a_series_value_is_a_cell_of_equal_pixels(family: type[TokenEncoder], bands_encoder: type) -> None:
    encoder = small(family, 13, bands_encoder=bands_encoder, position_encoder=PositionalEncoding, patch_size=4).eval()
    values = torch.randn(2, 6, 13)
    patch = values.view(2, 2, 3, 13).permute(0, 3, 1, 2).repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(encoder(values), encoder(patch))


def test_every_encoder_has_tokens() -> None:
    encoder: Encoder = ResNet(3, widths=(8, 16), blocks=(1, 1)).eval()
    x = torch.randn(2, 3, 32, 16)
    tokens, mask = encoder.forward_tokens(x)
    assert mask is None
    assert tokens.shape == (2, 8 * 4, 16)
    assert torch.equal(tokens[:, 5], encoder.forward_map(x)[:, :, 1, 1])  # the second cell of the second row


# --- bad input ---------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_heads": 5}, "num_heads = 5 does not divide d_model = 32; 1, 2, 4, 8 do"),
        ({"num_heads": 0}, "must be positive"),
        ({"num_layers": 0}, "must be positive"),
        ({"mlp_ratio": 0}, "must be positive"),
        ({"dropout": 1.0}, "dropout"),
        ({"patch_size": 0}, "patch_size"),
        ({"d_model": 30, "num_heads": 2}, "divisible by 4"),
        ({"bands_encoder": partial(PixelEncoding, sizes=[])}, "PixelEncoding: sizes"),
    ],
)
def test_settings_that_make_no_network_are_refused(
    family: type[TokenEncoder], settings: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        small(family, 3, **settings)


@BOTH
def test_input_that_does_not_fit_is_refused(family: type[TokenEncoder]) -> None:
    encoder, (x, positions, mask) = small(family, 13), series()
    patch = torch.randn(2, 13, 32, 32)
    few = partial(PositionalEncoding, max_len=10)
    for message, call in {
        "does not divide patches of 30 x 32 pixels; 1, 2, 3, 5, 6, 10, 15, 30 do|1, 2 do": lambda: encoder(
            patch[:, :, 2:]
        ),
        "16 tokens are more than max_len = 10": lambda: small(family, 13, position_encoder=few)(patch),
        "12 tokens are more than max_len = 10": lambda: small(family, 13, position_encoder=few)(x),
        "built for 13 bands, got 3": lambda: encoder(patch[:, :3]),
        "built for 13 bands, got 4": lambda: encoder(x[..., :4]),
        "positions must be": lambda: encoder(x, positions[:, :5]),
        "mask must be .B, S.": lambda: encoder(x, positions, mask[:, :5]),
        "mask must be bool": lambda: encoder(x, positions, mask.long()),
        "for series": lambda: encoder(patch, positions),
        "takes patches": lambda: encoder(x[0]),
        "only patches": lambda: encoder.forward_map(x),
        "positions must be integers": lambda: encoder(x, positions.float()),
        "position 2000 is outside": lambda: encoder(x, torch.full_like(positions, 2000)),
        "position -1 is outside": lambda: encoder(x, torch.full_like(positions, -1)),
    }.items():
        with pytest.raises(UserError, match=message):
            call()  # type: ignore[no-untyped-call]
