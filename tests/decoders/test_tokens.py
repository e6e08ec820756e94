import pytest
import torch

from eurosat_cls.decoders import AttentionPooling, Decoder, MulticlassClassification
from eurosat_cls.encoders import Tokens

BOTH = pytest.mark.parametrize("kind", [MulticlassClassification, AttentionPooling])


def padded() -> Tokens:
    torch.manual_seed(0)
    return Tokens(torch.randn(4, 9, 16), torch.arange(9) >= torch.tensor([1, 4, 8, 9])[:, None])


@BOTH
@pytest.mark.parametrize("rubbish", [1e4, -1e4, float("nan"), float("inf")])
def test_padding_never_influences_the_output(kind: type[Decoder], rubbish: float) -> None:
    decoder = kind(16, 5)  # type: ignore[call-arg]
    features, mask = padded()
    assert mask is not None
    expected = decoder(Tokens(features, mask))
    assert torch.equal(decoder(Tokens(features.masked_fill(mask[..., None], rubbish), mask)), expected)
    for row, length in enumerate((1, 4, 8, 9)):
        alone = decoder(Tokens(features[row : row + 1, :length]))
        torch.testing.assert_close(expected[row : row + 1], alone)


@BOTH
def test_every_token_counts_that_is_no_padding(kind: type[Decoder]) -> None:
    decoder = kind(16, 5)  # type: ignore[call-arg]
    features, mask = padded()
    for token in range(9):
        changed = features.clone()
        changed[:, token] += 10.0
        same = (decoder(Tokens(changed, mask)) == decoder(Tokens(features, mask))).all(1)
        assert mask is not None
        assert torch.equal(same, mask[:, token])


@BOTH
def test_order_of_tokens_does_not_matter(kind: type[Decoder]) -> None:
    decoder = kind(16, 5)  # type: ignore[call-arg]
    features, mask = padded()
    assert mask is not None
    order = torch.randperm(9)
    torch.testing.assert_close(decoder(Tokens(features[:, order], mask[:, order])), decoder(Tokens(features, mask)))


@BOTH
def test_nothing_but_padding_gives_finite_logits_and_gradients(kind: type[Decoder]) -> None:
    decoder = kind(16, 5)  # type: ignore[call-arg]
    features, mask = padded()
    assert mask is not None
    mask[2] = True
    features.requires_grad_()
    out = decoder(Tokens(features, mask))
    zeros = decoder(Tokens(torch.zeros(1, 1, 16)))
    torch.testing.assert_close(out[2:3], zeros)
    out.square().sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()
    assert not features.grad[mask].any()


def test_maximum_is_the_maximum() -> None:
    head = MulticlassClassification(16, 16, hidden=[])
    torch.nn.init.eye_(head.layers[0].weight)  # type: ignore[arg-type]
    torch.nn.init.zeros_(head.layers[0].bias)  # type: ignore[arg-type]
    features, mask = padded()
    for row, length in enumerate((1, 4, 8, 9)):
        assert torch.equal(head(Tokens(features, mask))[row], features[row, :length].max(0).values)


def test_attention_weights_sum_to_one_and_leave_padding_out() -> None:
    pool, tokens = AttentionPooling(16, 5), padded()
    weights = pool.weights(tokens)
    assert tokens.mask is not None
    assert not weights[tokens.mask].any()
    torch.testing.assert_close(weights.sum(1), torch.ones(4))
    pooled = (weights[..., None] * tokens.features).sum(1)
    torch.testing.assert_close(pool(tokens), pool.linear(pooled))
