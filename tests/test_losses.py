import pytest
import torch
from torch import nn

from eurosat_cls.losses import FocalLoss, GaussianReconstruction, SigmoidFocalLoss
from eurosat_cls.utils.errors import UserError


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


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_focal_loss_takes_shares_as_cross_entropy_does(weighted: bool, smoothing: float) -> None:
    torch.manual_seed(0)
    logits, share = torch.randn(9, 4), torch.rand(9, 4).softmax(1)
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0]) if weighted else None
    ours = FocalLoss(weight, gamma=0.0, label_smoothing=smoothing)(logits, share)
    torch.testing.assert_close(ours, nn.CrossEntropyLoss(weight, label_smoothing=smoothing)(logits, share))


def test_focal_loss_of_shares_lies_between_those_of_the_classes() -> None:
    logits = torch.tensor([[2.0, -1.0]])
    pure = [float(FocalLoss()(logits, torch.tensor([k]))) for k in (0, 1)]
    mixed = float(FocalLoss()(logits, torch.tensor([[0.3, 0.7]])))
    assert mixed == pytest.approx(0.3 * pure[0] + 0.7 * pure[1])


@pytest.mark.parametrize("shape", [(7,), (7, 3)])
@pytest.mark.parametrize("weighted", [False, True])
def test_sigmoid_focal_loss_with_gamma_0_is_binary_cross_entropy(shape: tuple[int, ...], weighted: bool) -> None:
    torch.manual_seed(1)
    logits, target = torch.randn(shape), torch.rand(shape)
    weights = (torch.tensor([0.5, 1.0, 2.0][: shape[-1] % 7 or 1]), torch.tensor([3.0])) if weighted else (None, None)
    ours = SigmoidFocalLoss(*weights, gamma=0.0)(logits, target)
    torch.testing.assert_close(ours, nn.BCEWithLogitsLoss(weights[0], pos_weight=weights[1])(logits, target))


def test_sigmoid_focal_loss_is_stable_and_follows_its_formula() -> None:
    logits = torch.tensor([1e4, -1e4, 1e4, -1e4, 0.3, -2.0], requires_grad=True)
    target = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    loss = SigmoidFocalLoss(gamma=0.5)(logits, target)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    x = torch.tensor([0.3, -2.0], dtype=torch.float64)
    p = x.sigmoid()
    by_hand = (-((1 - p[0]) ** 2) * p[0].log() - p[1] ** 2 * (1 - p[1]).log()) / 2
    torch.testing.assert_close(SigmoidFocalLoss()(x, torch.tensor([1.0, 0.0], dtype=torch.float64)), by_hand)
    half = SigmoidFocalLoss()(x.bfloat16(), torch.tensor([1.0, 0.0]))
    assert half.dtype == torch.float32


@pytest.mark.parametrize("arguments", [{"gamma": -1.0}, {"label_smoothing": 1.0}])
def test_sigmoid_focal_loss_refuses_bad_settings(arguments: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(arguments))):
        SigmoidFocalLoss(**arguments)  # type: ignore[arg-type]


def test_gaussian_reconstruction_is_the_likelihood_of_torch() -> None:
    torch.manual_seed(0)
    prediction, target = torch.randn(2, 6, 4, 4), torch.randn(2, 3, 4, 4)
    mean, log_variance = prediction[:, :3], prediction[:, 3:]
    expected = nn.GaussianNLLLoss(reduction="none")(mean, target, log_variance.exp())
    torch.testing.assert_close(GaussianReconstruction("none")(prediction, target), expected)
    torch.testing.assert_close(GaussianReconstruction()(prediction, target), expected.mean())


def test_gaussian_reconstruction_stays_finite() -> None:
    prediction = torch.tensor([0.0, -1e4]).view(1, 2, 1, 1).requires_grad_()
    loss = GaussianReconstruction()(prediction, torch.zeros(1, 1, 1, 1))
    loss.backward()
    assert loss.isfinite()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()
    with pytest.raises(UserError, match="reduction must be mean or none, got sum"):
        GaussianReconstruction("sum")  # type: ignore[arg-type]
