import math

import pytest
import torch

from eurosat_cls.embeddings import LearnedPositions, PositionalEncoding, PositionalEncoding2d, PositionEncoder
from eurosat_cls.utils.errors import UserError

KINDS = pytest.mark.parametrize("kind", [PositionalEncoding, PositionalEncoding2d, LearnedPositions])


def test_fixed_encoding_is_that_of_the_source() -> None:
    vectors = PositionalEncoding(8, tau=1000, max_len=400)(torch.tensor([[7, 366]]))[0]
    for position, vector in zip((7, 366), vectors):
        for pair in range(4):
            angle = position / 1000 ** (2 * pair / 8)
            assert vector[2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert vector[2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


@KINDS
def test_padding_is_zero_and_positions_differ(kind: type[PositionEncoder]) -> None:
    encode = kind(16, max_len=50)
    assert not encode(torch.tensor([[0, 3]]))[0, 0].any()
    every = encode(torch.arange(1, 51))
    assert torch.pdist(every).min() > 1e-3


@KINDS
def test_shapes_and_lengths(kind: type[PositionEncoder]) -> None:
    encode = kind(16, max_len=12)
    assert encode(torch.ones(3, 12, dtype=torch.int32)).shape == (3, 12, 16)
    assert encode.grid(3, 4).shape == (12, 16)
    with pytest.raises(UserError, match="13 tokens are more than max_len = 12"):
        encode(torch.ones(3, 13, dtype=torch.int64))
    with pytest.raises(UserError, match="16 tokens are more than max_len = 12"):
        encode.grid(4, 4)
    with pytest.raises(UserError, match=r"position 13 is outside 0 \.\. max_len = 12"):
        encode(torch.tensor([[1, 13]]))


def test_two_dimensional_form_holds_row_and_column() -> None:
    grid = PositionalEncoding2d(16).grid(3, 5).view(3, 5, 16)
    line = PositionalEncoding(8)(torch.arange(1, 6))
    for row in range(3):
        for column in range(5):
            assert torch.equal(grid[row, column], torch.cat([line[row], line[column]]))


def test_two_dimensional_form_is_the_usual_one_in_a_series() -> None:
    days = torch.tensor([[3, 200, 0]])
    assert torch.equal(PositionalEncoding2d(16)(days), PositionalEncoding(16)(days))


def test_grid_of_a_line_counts_from_one() -> None:
    encode = PositionalEncoding(16)
    assert torch.equal(encode.grid(2, 3), encode(torch.arange(1, 7)))


def test_fixed_tables_are_no_weights_and_move_with_the_module() -> None:
    encode = PositionalEncoding2d(16)
    assert not encode.state_dict()
    assert not list(encode.parameters())
    assert encode.to("meta").grid(2, 2).device.type == "meta"


def test_learned_vectors_learn_but_padding_does_not() -> None:
    encode = LearnedPositions(8, max_len=4)
    encode(torch.tensor([[1, 2, 3, 4, 0, 0]])[:, 2:]).sum().backward()
    gradient = encode.embedding.weight.grad
    assert gradient is not None
    assert gradient.any(1).tolist() == [False, False, False, True, True]


def test_learned_vectors_are_saved() -> None:
    a, b = LearnedPositions(8), LearnedPositions(8)
    b.load_state_dict(a.state_dict())
    assert torch.equal(a.grid(4, 4), b.grid(4, 4))


@pytest.mark.parametrize("bad", [{"d_model": 7}, {"tau": 1.0}, {"max_len": 0}, {"d_model": 0}])
def test_impossible_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(UserError, match="PositionalEncoding"):
        PositionalEncoding(**{"d_model": 8, **bad})  # type: ignore[arg-type]


def test_two_dimensional_form_needs_a_multiple_of_four() -> None:
    with pytest.raises(UserError, match="divisible by 4"):
        PositionalEncoding2d(6)
