"""What holds for every encoder, decoder, embedding and loss that a config can name."""

import io
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eurosat_cls.cli.short_names import DECODERS, EMBEDDINGS, ENCODERS, LOSSES
from eurosat_cls.config.factories import target_of
from eurosat_cls.decoders import (
    MLP,
    AttentionPooling,
    ConvolutionalReconstruction,
    Decoder,
    Identity,
    LinearHead,
    LinearReconstruction,
    MulticlassClassification,
)
from eurosat_cls.embeddings import (
    LearnedPositions,
    PatchBandsEncoding,
    PixelEncoding,
    PositionalEncoding,
    PositionalEncoding2d,
)
from eurosat_cls.encoders import (
    Encoder,
    Exchanger,
    ResNet,
    TimmBackbone,
    Tokens,
    TorchvisionBackbone,
    Transformer,
)
from eurosat_cls.losses import FocalLoss, GaussianReconstruction, SigmoidFocalLoss

Make = Callable[..., Any]
SMALL = {"d_model": 32, "num_layers": 2}
ENCODER_CASES: dict[str, Make] = {
    "ResNet": partial(ResNet, widths=(16, 32), blocks=(1, 2)),
    "Transformer": partial(Transformer, **SMALL, position_encoder=LearnedPositions),
    "Transformer of bands": partial(Transformer, **SMALL, bands_encoder=PatchBandsEncoding),
    "Exchanger": partial(Exchanger, **SMALL),
    "torchvision convolutions": partial(TorchvisionBackbone, name="mobilenet_v3_small"),
    "timm convolutions": partial(TimmBackbone, name="mobilenetv3_small_050"),
    "timm ConvNeXt": partial(TimmBackbone, name="convnext_atto", arguments={"depths": [1, 1, 1, 1]}),
    "timm ViT": partial(TimmBackbone, name="vit_tiny_patch16_224", arguments={"depth": 2}),
}
DECODER_CASES: dict[str, Make] = {
    "LinearHead": LinearHead,
    "MLP": MLP,
    "MulticlassClassification": MulticlassClassification,
    "AttentionPooling": AttentionPooling,
    "LinearReconstruction": partial(LinearReconstruction, scale=4),
    "LinearReconstruction of features": partial(LinearReconstruction, scale=16, takes="features"),
    "ConvolutionalReconstruction": partial(ConvolutionalReconstruction, scale=4),
    "Identity": Identity,
}
EMBEDDING_CASES: dict[str, Make] = {
    kind.__name__: kind
    for kind in (LearnedPositions, PatchBandsEncoding, PixelEncoding, PositionalEncoding, PositionalEncoding2d)
}
LOSS_CASES: dict[str, Make] = {
    "FocalLoss": FocalLoss,
    "FocalLoss smoothed": partial(FocalLoss, gamma=1.0, label_smoothing=0.1),
    "SigmoidFocalLoss": SigmoidFocalLoss,
}
ENCODER, DECODER, EMBEDDING, LOSS = (
    pytest.mark.parametrize("case", cases) for cases in (ENCODER_CASES, DECODER_CASES, EMBEDDING_CASES, LOSS_CASES)
)


def test_none_is_left_out() -> None:
    classifying = set(LOSSES) - {GaussianReconstruction}  # that one has tests of its own
    for cases, listed in (
        (ENCODER_CASES, ENCODERS), (DECODER_CASES, DECODERS), (EMBEDDING_CASES, EMBEDDINGS), (LOSS_CASES, classifying),
    ):  # fmt: skip
        assert {target_of(make) for make in cases.values()} == set(listed)


# --- what is the same for all of them ----------------------------------------------------------------------------


def patches(channels: int, count: int = 16, size: int = 64) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(count, channels, size, size)


def resolve_auto(module: nn.Module, *inputs: Any) -> Tensor:
    """Train on one batch whose statistics batch normalisation then evaluates with; return what came out."""

    def exactly(norm: Any, given: tuple[Tensor, ...], _: Tensor) -> None:
        count = given[0].numel() / norm.num_features
        norm.running_var.data *= (count - 1) / count  # it keeps the estimate for a whole population

    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    hooks = [norm.register_forward_hook(exactly) for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    out: Tensor = module.train()(*inputs)
    for hook in hooks:
        hook.remove()
    return out


def assert_near(a: Tensor, b: Tensor, share: float) -> None:
    assert a.shape == b.shape
    assert (a.float() - b.float()).norm() < share * b.float().norm()


def assert_gradients(module: nn.Module, out: Tensor) -> None:
    torch.manual_seed(2)
    if not list(module.parameters()):
        return
    (out.float() * torch.randn_like(out.float())).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def assert_same_after_reload(make: Callable[[], nn.Module], *inputs: Any) -> None:
    torch.manual_seed(3)
    first, second = make().eval(), make().eval()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    expected = first(*inputs)
    assert torch.equal(second(*inputs), expected)
    assert torch.equal(pickle.loads(pickle.dumps(first))(*inputs), expected)


# --- encoders ----------------------------------------------------------------------------------------------------


def encoder_of(case: str, channels: int) -> Encoder:
    torch.manual_seed(0)
    made: Encoder = ENCODER_CASES[case](channels)
    return made


@ENCODER
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_encoder_shapes_for_any_band_count(case: str, channels: int) -> None:
    encoder = encoder_of(case, channels).eval()
    with torch.no_grad():
        x = patches(channels, 2)
        found = encoder.forward_map(x)
        features, tokens = encoder(x), encoder.forward_tokens(x)
    assert features.shape == (2, encoder.out_features)
    assert found.shape[:2] == (2, encoder.out_features)
    assert tokens.features.shape == (2, found[0, 0].numel(), encoder.out_features)
    torch.testing.assert_close(tokens.features.transpose(1, 2), found.flatten(2))


@ENCODER
def test_a_gradient_reaches_every_parameter_of_an_encoder(case: str) -> None:
    encoder = encoder_of(case, 4)
    assert_gradients(encoder, encoder.train()(patches(4, 4)))


@ENCODER
def test_encoder_agrees_in_training_and_evaluation(case: str) -> None:
    encoder, x = encoder_of(case, 3), patches(3)
    with torch.no_grad():
        trained = resolve_auto(encoder, x)
        assert_near(encoder.eval()(x), trained, 1e-3)


@ENCODER
def test_encoder_is_the_same_after_a_reload(case: str) -> None:
    with torch.no_grad():
        assert_same_after_reload(partial(ENCODER_CASES[case], 3), patches(3, 2))


@ENCODER
def test_encoder_in_channels_last_and_bfloat16_differs_by_rounding(case: str) -> None:
    encoder, x = encoder_of(case, 3), patches(3)
    with torch.no_grad():
        resolve_auto(encoder, x)
        expected = encoder.eval()(x)
        encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        assert_near(encoder(x.contiguous(memory_format=torch.channels_last)), expected, 1e-3)
        with torch.autocast("cpu", torch.bfloat16):
            low = encoder(x)
    assert_near(low - expected.mean(0), expected - expected.mean(0), 0.15)  # what tells patches apart


# --- decoders ----------------------------------------------------------------------------------------------------

WIDTH = 24


def decoder_of(case: str, outputs: int = 5) -> Decoder:
    torch.manual_seed(0)
    made: Decoder = DECODER_CASES[case](outputs if case == "Identity" else WIDTH, outputs)
    return made


def encoded(decoder: Decoder, width: int = WIDTH) -> Any:
    torch.manual_seed(1)
    if decoder.takes == "features":
        return torch.randn(16, width)
    if decoder.takes == "map":
        return torch.randn(16, width, 4, 4).contiguous(memory_format=torch.channels_last)
    return Tokens(torch.randn(16, 9, width), torch.arange(9) >= torch.randint(1, 10, (16, 1)))


@DECODER
@pytest.mark.parametrize("outputs", [1, 3, 13])
def test_decoder_shapes_for_any_number_of_outputs(case: str, outputs: int) -> None:
    decoder = decoder_of(case, outputs)
    out = decoder(encoded(decoder, outputs if case == "Identity" else WIDTH))
    assert out.shape == ((16, outputs, 16, 16) if "Reconstruction" in case else (16, outputs))


@DECODER
def test_decoder_agrees_in_training_and_evaluation_and_in_bfloat16(case: str) -> None:
    decoder = decoder_of(case)
    x = encoded(decoder, 5 if case == "Identity" else WIDTH)
    assert_gradients(decoder, resolve_auto(decoder, x))
    expected = decoder.eval()(x)
    assert_near(resolve_auto(decoder, x), expected, 1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        assert_near(decoder.eval()(x), expected, 0.02)


@DECODER
def test_decoder_is_the_same_after_a_reload(case: str) -> None:
    decoder = decoder_of(case)
    assert_same_after_reload(partial(decoder_of, case), encoded(decoder, 5 if case == "Identity" else WIDTH))


# --- embeddings --------------------------------------------------------------------------------------------------


def embedding_of(case: str, channels: int = 13) -> tuple[nn.Module, Tensor]:
    """An embedding and what it embeds: positions, or cells of four pixels."""
    torch.manual_seed(0)
    kind = EMBEDDING_CASES[case]
    if "Position" in case:
        return kind(32, max_len=50), torch.arange(1, 51).expand(8, -1)
    return kind(channels, 2), torch.randn(8, 50, 4, channels)


@EMBEDDING
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_embedding_shapes_for_any_band_count(case: str, channels: int) -> None:
    embedding, x = embedding_of(case, channels)
    width = 32 if "Position" in case else embedding.out_features
    assert embedding(x).shape == (8, 50, width)


@EMBEDDING
def test_embedding_agrees_in_training_and_evaluation_and_in_bfloat16(case: str) -> None:
    embedding, x = embedding_of(case)
    trained = resolve_auto(embedding, x)
    assert_gradients(embedding, trained)
    expected = embedding.eval()(x)
    assert_near(trained, expected, 1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        assert_near(embedding(x), expected, 0.02)


@EMBEDDING
def test_embedding_is_the_same_after_a_reload(case: str) -> None:
    _, x = embedding_of(case)
    make = (
        partial(EMBEDDING_CASES[case], 32, max_len=50) if "Position" in case else partial(EMBEDDING_CASES[case], 13, 2)
    )
    assert_same_after_reload(make, x)


# --- losses ------------------------------------------------------------------------------------------------------


def scored(case: str, classes: int) -> tuple[Tensor, Tensor]:
    """Logits and targets of the kind that a loss takes."""
    torch.manual_seed(0)
    logits = torch.randn(12, classes) * 3
    independent = case.startswith("Sigmoid")
    return logits, (torch.rand(12, classes) > 0.5).float() if independent else torch.randint(classes, (12,))


@LOSS
@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_is_a_positive_number_with_gradients_in_any_mode(case: str, classes: int, weighted: bool) -> None:
    logits, target = scored(case, classes)
    loss = LOSS_CASES[case](weight=torch.rand(classes) + 0.5 if weighted else None)
    logits.requires_grad_()
    value = loss(logits, target)
    value.backward()
    assert value.shape == ()
    assert value > 0
    assert logits.grad is not None
    assert (logits.grad.abs().sum(0) > 0).all()
    assert torch.equal(loss.eval()(logits, target), value)
    perfect = (target if target.is_floating_point() else nn.functional.one_hot(target, classes)) * 4.0 - 2
    assert loss(perfect, target) < value


@LOSS
def test_loss_of_half_precision_and_of_a_reload_is_the_same(case: str) -> None:
    logits, target = scored(case, 4)
    weighted = LOSS_CASES[case](weight=torch.tensor([0.5, 1.0, 2.0, 4.0]))
    for dtype in (torch.bfloat16, torch.float16):
        low = logits.to(dtype)
        assert weighted(low, target).dtype == torch.float32
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(weighted(low, target), weighted(low.float(), target))
    other = LOSS_CASES[case](weight=torch.ones(4))
    assert other(logits, target) != weighted(logits, target)
    other.load_state_dict(weighted.state_dict())
    assert torch.equal(other(logits, target), weighted(logits, target))
    assert torch.equal(pickle.loads(pickle.dumps(weighted))(logits, target), weighted(logits, target))
