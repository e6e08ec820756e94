import pytest
import torch
from torch import nn

from eurosat_cls.errors import UserError
from eurosat_cls.losses import FocalLoss


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("weighted", [False, True])
def test_gamma_zero_equals_cross_entropy_to_float_precision(smoothing: float, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(64, 10, generator=generator) * 4).double()
    target = torch.randint(10, (64,), generator=generator)
    weight = torch.rand(10, generator=generator).double() + 0.1 if weighted else None
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    a = FocalLoss(weight, gamma=0.0, label_smoothing=smoothing)(ours, target)
    b = nn.CrossEntropyLoss(weight, label_smoothing=smoothing)(theirs, target)
    a.backward()
    b.backward()
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-12)


def test_gamma_two_equals_the_formula_of_the_paper() -> None:
    logits, target = torch.randn(8, 5, dtype=torch.float64), torch.randint(5, (8,))
    p = logits.softmax(1)[torch.arange(8), target]
    torch.testing.assert_close(FocalLoss(gamma=2.0)(logits, target), (-((1 - p) ** 2) * p.log()).mean())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("scale", [1.0, 1e4, -1e4])
def test_huge_logits_give_finite_loss_and_gradient(gamma: float, scale: float) -> None:
    logits = (torch.eye(4) * scale).requires_grad_()
    loss = FocalLoss(torch.tensor([1.0, 2.0, 0.5, 1.0]), gamma, 0.1)(logits, torch.tensor([0, 1, 2, 0]))
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_bfloat16_logits_are_computed_in_float32() -> None:
    logits, target = torch.randn(32, 10).bfloat16(), torch.randint(10, (32,))
    loss = FocalLoss(label_smoothing=0.1)(logits, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, FocalLoss(label_smoothing=0.1)(logits.float(), target))


def test_well_classified_samples_count_less() -> None:
    logits, target = torch.tensor([[6.0, 0.0], [0.2, 0.0]]), torch.tensor([0, 0])
    easy, hard = (FocalLoss(gamma=2.0)(logits[i : i + 1], target[i : i + 1]) for i in range(2))
    cross_easy, cross_hard = (nn.functional.cross_entropy(logits[i : i + 1], target[i : i + 1]) for i in range(2))
    assert easy / hard < 0.01 * cross_easy / cross_hard


@pytest.mark.parametrize(
    "bad", [{"gamma": -1.0}, {"gamma": float("nan")}, {"label_smoothing": 1.0}, {"label_smoothing": -0.1}]
)
def test_impossible_parameters_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(UserError, match="FocalLoss"):
        FocalLoss(**bad)  # type: ignore[arg-type]
