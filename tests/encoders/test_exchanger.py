import pytest
import torch

from eurosat_cls.analysis.summary import layers
from eurosat_cls.encoders import Exchanger, Transformer
from eurosat_cls.encoders.exchanger import ExchangerBlock, Mixer
from eurosat_cls.encoders.transformer import TransformerBlock
from eurosat_cls.utils.errors import UserError


def operations(block: torch.nn.Module, tokens: int) -> int:
    return layers(block, torch.randn(1, tokens, 32))[0].multiply_adds


def test_cost_grows_linearly_with_tokens_and_that_of_full_attention_does_not() -> None:
    exchanger, transformer = ExchangerBlock(32, 4, 8, 4.0, 0.0), TransformerBlock(32, 4, 4.0, 0.0)
    per_token = [(operations(exchanger, 2 * s) - operations(exchanger, s)) / s for s in (300, 600, 1200)]
    assert per_token[0] == per_token[1] == per_token[2]
    assert operations(transformer, 2400) > 3 * operations(transformer, 1200)


def test_tokens_hear_of_each_other_through_the_groups() -> None:
    torch.manual_seed(0)
    block = ExchangerBlock(32, 4, 2, 4.0, 0.0)
    x = torch.randn(1, 10, 32)
    changed = x.clone()
    changed[0, 3] += torch.randn(32)
    assert ((block(changed) - block(x))[0].abs().sum(-1) > 1e-6).all()
    apart = ExchangerBlock(32, 4, 2, 4.0, 0.0)
    torch.nn.init.zeros_(apart.exchange_out[0].weight)  # type: ignore[arg-type]
    assert ((apart(changed) - apart(x))[0].abs().sum(-1) > 1e-6).tolist() == [i == 3 for i in range(10)]


def test_left_out_tokens_are_not_collected_but_get_their_share() -> None:
    block = ExchangerBlock(32, 4, 4, 4.0, 0.0)
    x, keep = torch.randn(1, 6, 32), torch.tensor([True, True, True, True, False, False])[None, None, None]
    changed = x.clone()
    changed[0, 4:] = 7.0
    assert torch.equal(block(changed, keep)[:, :4], block(x, keep)[:, :4])
    assert not torch.equal(block(x, keep)[:, 4:], x[:, 4:])


def test_mixer_mixes_over_tokens_and_over_features() -> None:
    mixer = Mixer(5, 16)
    x = torch.randn(1, 5, 16)
    changed = x.clone()
    changed[0, 2] = torch.randn(16)
    assert (mixer(changed) - mixer(x)).abs().gt(1e-7).sum(-1).gt(8).all()


def test_groups_differ_from_each_other() -> None:
    groups = ExchangerBlock(32, 4, 8, 4.0, 0.0).groups
    assert torch.pdist(groups).min() > 0


def test_default_size_is_what_the_docstring_says() -> None:
    parameters = sum(p.numel() for p in Exchanger(3).parameters())
    assert parameters == 1_395_312
    assert f"{parameters / 1e6:.2f} million" in (Exchanger.__doc__ or "")


def test_exchanger_has_no_attention_maps_of_tokens() -> None:
    assert hasattr(Transformer, "attention")
    assert not hasattr(Exchanger, "attention")


def test_no_groups_are_refused() -> None:
    with pytest.raises(UserError, match="num_groups"):
        Exchanger(3, num_groups=0)
