"""Maps of evidence lie where the evidence is, and the network stays as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eurosat_cls import Classifier
from eurosat_cls.analysis.explanations import (
    attention_of,
    attention_received,
    attention_rollout,
    grad_cam,
    inspecting,
    roll_out,
)
from eurosat_cls.decoders import MLP, AttentionPooling, Identity, LinearHead, MulticlassClassification
from eurosat_cls.encoders import Encoder, Exchanger, ResNet, Tokens, Transformer
from eurosat_cls.models.network import compile_parts
from eurosat_cls.utils.errors import UserError

SIZE, OBJECT, MARGIN = 64, 12, 8
TINY = partial(ResNet, widths=(8, 16), blocks=(1, 1))


def model(**arguments: Any) -> Classifier:
    torch.manual_seed(0)
    return Classifier(**{"encoder": TINY, "class_names": ["a", "b", "c"], "bands": ["B04"], **arguments})


def one_hot(k: int, patches: int, classes: int = 3) -> Tensor:
    """The direction of one class, ``[1, B, K]``."""
    return nn.functional.one_hot(torch.full((1, patches), k), classes).float()


# --- where the evidence lies -----------------------------------------------------------------------------------------


def planted(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Noise with a square of stripes somewhere, whose direction is the class: patches, classes, corners ``[n, 2]``."""
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randint(60, 120, (count, 1, SIZE, SIZE), generator=generator)
    corners = torch.randint(4, SIZE - OBJECT - 4, (count, 2), generator=generator)
    labels = torch.arange(count) % 2
    stripes = (torch.arange(OBJECT) // 2 % 2 * 150 + 50).expand(OBJECT, OBJECT)
    for patch, label, (y, x) in zip(patches, labels.tolist(), corners.tolist()):
        patch[0, y : y + OBJECT, x : x + OBJECT] = stripes.T if label else stripes
    return patches.to(torch.uint8), labels, corners


@contextmanager
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def trained() -> Classifier:
    """A network that tells the planted objects apart, after a few seconds."""
    network = model(
        encoder=partial(ResNet, widths=(16, 32), blocks=(1, 1)), class_names=["level", "upright"], mean=[90], std=[30]
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    patches, labels, _ = planted(256, seed=0)
    with one_thread():
        for step in range(48):
            rows = slice(step % 8 * 32, step % 8 * 32 + 32)
            loss = nn.functional.cross_entropy(network(patches[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network


def test_the_maps_mass_lies_on_a_planted_object(trained: Classifier) -> None:
    patches, labels, corners = planted(64, seed=1)
    with inspecting(trained):
        assert (trained(patches).argmax(1) == labels).float().mean() > 0.9, "it has not learnt"
        true = nn.functional.one_hot(labels).float()
        maps = grad_cam(trained.encoder, trained.decoder, trained.normalize(patches), torch.stack([true, 1 - true]))
    mass, other = nn.functional.interpolate(maps, (SIZE, SIZE), mode="bilinear")
    inside = torch.zeros_like(mass)
    for box, (y, x) in zip(inside, corners.tolist()):
        box[max(0, y - MARGIN) : y + OBJECT + MARGIN, max(0, x - MARGIN) : x + OBJECT + MARGIN] = 1
    share, wrong = ((m * inside).sum((1, 2)) / m.sum((1, 2)).clamp_min(1e-9) for m in (mass, other))
    area = inside.mean((1, 2))
    assert area.max() < 0.2
    assert share.mean() > 0.5
    assert (share > area).float().mean() > 0.95
    assert wrong.mean() < area.mean(), "what speaks for the other class lies elsewhere"


def test_a_linear_head_on_the_mean_gives_its_weights_in_every_cell() -> None:
    network = model(bands=["B04", "B03"]).eval()
    x = torch.randn(3, 2, 32, 32)
    (maps,) = grad_cam(network.encoder, network.decoder, x, one_hot(1, 3))
    assert isinstance(network.decoder, LinearHead)
    found = network.encoder.forward_map(x)
    expected = torch.einsum("d,bdhw->bhw", network.decoder.linear.weight[1], found).relu() / found[0, 0].numel()
    torch.testing.assert_close(maps, expected)


def test_gradients_that_differ_from_cell_to_cell_are_averaged() -> None:
    network = model(decoder=MulticlassClassification).eval()  # the maximum over cells
    x = torch.randn(2, 1, 32, 32)
    (maps,) = grad_cam(network.encoder, network.decoder, x, one_hot(2, 2))
    found = network.encoder.forward_map(x).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network.decoder(Tokens(found.flatten(2).transpose(1, 2)))[:, 2].sum(), found)
    assert gradient.std((2, 3)).max() > 0
    expected = torch.einsum("bd,bdhw->bhw", gradient.mean((2, 3)), found).relu()
    torch.testing.assert_close(maps, expected)


def test_evidence_against_a_class_is_what_speaks_for_its_absence() -> None:
    network = model().eval()
    x = torch.randn(3, 1, 32, 32)
    up, down = grad_cam(
        network.encoder, network.decoder, x, torch.cat([one_hot(0, 3), -one_hot(0, 3)])
    )  # fmt: skip
    assert up.shape == down.shape == (3, 8, 8)
    assert not (up * down).any(), "no cell speaks for both"
    assert (up + down).any()


class NormedMean(TINY.func):  # type: ignore[misc, name-defined]
    """Features that are not the mean of the map."""

    def pool(self, feature_map: Tensor) -> Tensor:
        return nn.functional.normalize(super().pool(feature_map))


class WrongPool(TINY.func):  # type: ignore[misc, name-defined]
    def forward(self, x: Tensor) -> Tensor:
        return self.forward_map(x).amax((2, 3))


@pytest.mark.parametrize(
    "parts",
    [
        {"decoder": partial(MLP, hidden=[8])},
        {"decoder": MulticlassClassification},
        {"decoder": AttentionPooling},
        {"decoder": Identity, "class_names": [str(n) for n in range(16)]},
        {"encoder": partial(NormedMean, widths=(8, 16), blocks=(1, 1))},
        {"encoder": partial(Exchanger, d_model=16, num_layers=1)},
        {"task": "binary", "class_names": ["a", "b"]},
        {"memory_format": "channels_last"},
    ],
    ids=lambda parts: "-".join(str(getattr(v, "__name__", getattr(v, "func", v))) for v in parts.values())[:40],
)
def test_any_decoder_and_any_encoder_with_a_map_can_be_explained(parts: dict[str, Any]) -> None:
    network = model(**parts).eval()
    targets = one_hot(0, 2, network.rules.outputs)
    maps = grad_cam(network.encoder, network.decoder, torch.randn(2, 1, 32, 32), torch.cat([targets, -targets]))
    assert maps.shape[:2] == (2, 2)
    assert maps.any()
    assert not maps.requires_grad


def test_features_that_do_not_follow_from_the_map_are_refused() -> None:
    network = model(encoder=partial(WrongPool, widths=(8, 16), blocks=(1, 1))).eval()
    with pytest.raises(UserError, match="WrongPool: pool does not lead"):
        grad_cam(network.encoder, network.decoder, torch.randn(2, 1, 32, 32), one_hot(0, 2))


def test_a_network_gone_nan_is_refused() -> None:
    network = model().eval()
    nn.init.constant_(network.decoder.linear.bias, float("nan"))  # type: ignore[union-attr, arg-type]
    with pytest.raises(UserError, match="no numbers"):
        grad_cam(network.encoder, network.decoder, torch.randn(2, 1, 32, 32), one_hot(0, 2))


# --- the network stays as it was -------------------------------------------------------------------------------------


def test_training_flags_are_restored_even_when_drawing_raises() -> None:
    network = model().train()
    network.encoder.stem.eval()  # type: ignore[operator, union-attr]
    before = {name: part.training for name, part in network.named_modules()}
    assert len(set(before.values())) == 2

    def look() -> None:
        with inspecting(network):
            assert not any(part.training for part in network.modules())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        look()
    assert {name: part.training for name, part in network.named_modules()} == before


def test_gradients_of_the_model_are_untouched() -> None:
    network = model().train()
    network(torch.zeros(4, 1, 32, 32)).sum().backward()
    next(network.parameters()).requires_grad_(False)
    before = {name: (p.grad if p.grad is None else p.grad.clone(), p.requires_grad)
              for name, p in network.named_parameters()}  # fmt: skip
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    random = torch.get_rng_state()
    with inspecting(network):
        grad_cam(
            network.encoder, network.decoder, torch.randn(2, 1, 32, 32, generator=torch.Generator()), one_hot(0, 2)
        )
    for name, p in network.named_parameters():
        gradient, required = before[name]
        assert p.requires_grad == required
        assert (p.grad is None) == (gradient is None)
        if p.grad is not None and gradient is not None:
            assert torch.equal(p.grad, gradient), name
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def hooks(network: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(part, kind)) for part in network.modules() for kind in kinds)


class Failing(LinearHead):
    """Fails in the second pass, in which gradients are wanted."""

    def forward(self, encoded: Tensor) -> Tensor:
        if encoded.requires_grad:
            raise ZeroDivisionError
        return super().forward(encoded)


def test_no_hook_is_left_behind_even_when_drawing_raises() -> None:
    network = model(decoder=Failing).train()
    attributes = {name: set(vars(part)) for name, part in network.named_modules()}
    with pytest.raises(ZeroDivisionError), inspecting(network):
        grad_cam(network.encoder, network.decoder, torch.randn(2, 1, 32, 32), one_hot(0, 2))
    assert hooks(network) == 0
    assert {name: set(vars(part)) for name, part in network.named_modules()} == attributes
    assert all(part.training for part in network.modules())


def test_a_test_in_inference_mode_can_be_explained_and_stays_in_it() -> None:
    network = model()
    with torch.inference_mode():
        with inspecting(network):
            maps = grad_cam(network.encoder, network.decoder, torch.randn(2, 1, 32, 32), one_hot(0, 2))
        assert torch.is_inference_mode_enabled()
    assert maps.any()


@pytest.mark.slow
@pytest.mark.parametrize("decoder", [LinearHead, MulticlassClassification])
def test_a_compiled_network_is_not_compiled_again_for_a_picture(decoder: Any) -> None:
    network = model(decoder=decoder)
    compile_parts(network.encoder, network.decoder)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    with inspecting(network):
        maps = grad_cam(network.encoder, network.decoder, torch.randn(2, 1, 32, 32), one_hot(0, 2))
    assert maps.any()
    assert not torch._dynamo.utils.counters["stats"]["unique_graphs"]


# --- attention -------------------------------------------------------------------------------------------------------


def transformer(**arguments: Any) -> Transformer:
    torch.manual_seed(0)
    return Transformer(1, **{"d_model": 16, "num_heads": 2, "num_layers": 3, **arguments}).eval()


def test_rollout_follows_attention_and_shortcuts_through_the_layers() -> None:
    to_first = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    one = roll_out(to_first[None, None])
    torch.testing.assert_close(one, torch.tensor([[[1.0, 0.0], [0.5, 0.5]]]))
    two = roll_out(torch.stack([to_first, swap])[None])
    torch.testing.assert_close(two, (swap + torch.eye(2))[None] / 2 @ one)


def test_rollout_shares_sum_to_one() -> None:
    maps = attention_rollout(transformer(), torch.randn(3, 1, 32, 24))
    assert maps.shape == (3, 4, 3)
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(3))


def test_received_attention_averages_one_and_finds_what_all_look_at() -> None:
    encoder = transformer()
    x = torch.randn(2, 1, 32, 32)
    received = attention_received(encoder, x)
    assert received.shape == (2, 3, 4, 4)
    torch.testing.assert_close(received.mean((2, 3)), torch.ones(2, 3))
    expected = encoder.attention(x)[1, 2].sum(0).reshape(4, 4)
    torch.testing.assert_close(received[1, 2], expected)


class Mapless(Encoder):
    """An encoder without a map, with a layer that is called attention."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.out_features = 4
        self.attention = nn.Linear(in_channels, 4)

    def forward_map(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.attention(x.mean((2, 3)))
        return features


class Unfitting(Transformer):
    def attention(self, x: Tensor, *rest: Any) -> Tensor:
        return super().attention(x)[..., 1:, 1:]


def test_an_encoder_without_maps_says_so() -> None:
    network = model(encoder=Mapless).eval()
    x = torch.randn(2, 1, 32, 32)
    assert attention_of(network.encoder) is None, "a layer of that name is no method"
    with pytest.raises(UserError, match="Mapless has no feature map"):
        grad_cam(network.encoder, network.decoder, x, one_hot(0, 2))
    with pytest.raises(UserError, match="Mapless has no attention maps"):
        attention_rollout(network.encoder, x)
    with pytest.raises(UserError, match="does not fit its map"):
        attention_rollout(Unfitting(1, d_model=16, num_heads=2, num_layers=1), x)
