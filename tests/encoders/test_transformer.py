import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from eurosat_cls.encoders import Transformer
from eurosat_cls.encoders.attention import attend, attention_weights
from eurosat_cls.encoders.transformer import TransformerBlock


def small(channels: int = 3, **settings: object) -> Transformer:
    torch.manual_seed(0)
    return Transformer(channels, **{"d_model": 32, "num_heads": 4, "num_layers": 3, **settings}).eval()  # type: ignore[arg-type]


def reference(block: TransformerBlock, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """One block written out, head by head: its output and its attention averaged over heads."""
    y = F.layer_norm(x, x.shape[-1:], block.attention_norm.weight, block.attention_norm.bias)
    query, key, value = (y @ block.query_key_value.weight.T + block.query_key_value.bias).chunk(3, -1)
    size = x.shape[-1] // block.num_heads
    outputs, maps = [], []
    for head in range(block.num_heads):
        part = slice(head * size, (head + 1) * size)
        scores = query[..., part] @ key[..., part].transpose(1, 2) / size**0.5
        if mask is not None:
            scores = scores.masked_fill(mask[:, None], float("-inf"))
        maps.append(scores.softmax(-1))
        outputs.append(maps[-1] @ value[..., part])
    x = x + block.attention_out(torch.cat(outputs, -1))
    return x + block.mlp(block.mlp_norm(x)), torch.stack(maps).mean(0)


@pytest.mark.parametrize("masked", [False, True])
def test_output_and_attention_equal_a_reference(masked: bool) -> None:
    encoder = small(13, patch_size=1)
    x = torch.randn(2, 9, 13)
    mask = torch.arange(9) >= torch.tensor([[5], [9]]) if masked else None
    tokens, maps = encoder.embed(x, None, mask), []
    for block in encoder.blocks:
        assert isinstance(block, TransformerBlock)
        tokens, weights = reference(block, tokens, mask)
        maps.append(weights)
    expected = encoder.norm(tokens)
    if mask is not None:
        expected = expected.masked_fill(mask[..., None], 0)
    torch.testing.assert_close(encoder.forward_tokens(x, mask=mask).features, expected, rtol=1e-4, atol=1e-5)
    attention = encoder.attention(x, mask=mask)
    assert attention.shape == (2, 3, 9, 9)
    torch.testing.assert_close(attention, torch.stack(maps, 1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 3, 9))
    if mask is not None:
        assert not attention.transpose(2, 3)[0, :, 5:].any()


def test_one_layer_equals_that_of_pytorch() -> None:
    block = TransformerBlock(32, 4, 4.0, 0.0)
    theirs = torch.nn.TransformerEncoderLayer(32, 4, 128, 0.0, "gelu", batch_first=True, norm_first=True)
    names = {
        "attention_norm": "norm1", "mlp_norm": "norm2", "query_key_value.": "self_attn.in_proj_",
        "attention_out.0": "self_attn.out_proj", "mlp.0": "linear1", "mlp.2": "linear2",
    }  # fmt: skip
    state = {}
    for key, value in block.state_dict().items():
        old = next(name for name in names if key.startswith(name))
        state[key.replace(old, names[old], 1)] = value
    theirs.load_state_dict(state)
    x = torch.randn(2, 7, 32)
    torch.testing.assert_close(block(x), theirs(x), rtol=1e-4, atol=1e-5)


def test_attention_of_patches_leaves_the_encoder_as_it_was() -> None:
    encoder = small()
    x = torch.randn(2, 3, 32, 32)
    before = encoder(x)
    modules = [id(module) for module in encoder.modules()]
    maps = encoder.attention(x)
    assert maps.shape == (2, 3, 16, 16)
    assert maps.dtype == torch.float32
    assert [id(module) for module in encoder.modules()] == modules
    assert torch.equal(encoder(x), before)


def test_attention_weights_are_those_that_attend_uses() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 5, 8), torch.randn(2, 1, 300, 8)  # one head; more keys than the float32 route takes
    keep = torch.rand(2, 1, 1, 300) > 0.3
    value = torch.randn(2, 1, 300, 8)
    weights = attention_weights(query, key, keep)
    torch.testing.assert_close(weights @ value[:, 0], attend(query, key, value, keep))


def test_default_size_is_what_the_docstring_says() -> None:
    parameters = sum(p.numel() for p in Transformer(3).parameters())
    assert parameters == 1_056_272
    assert f"{parameters / 1e6:.2f} million" in (Transformer.__doc__ or "")
