from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eurosat_cls import Classifier, Trainer
from eurosat_cls.data import Demo
from eurosat_cls.encoders import ResNet
from eurosat_cls.optimizers import SAM
from eurosat_cls.utils.errors import UserError
from tests.conftest import BARE


def _problem(seed: int = 0) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(seed)
    return nn.Linear(4, 3).double(), torch.randn(16, 4).double(), torch.randint(3, (16,))


def _train(net: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, steps: int) -> list[float]:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        return loss

    return [optimizer.step(closure).item() for _ in range(steps)]


def test_a_step_goes_along_the_gradient_at_the_worst_weights_nearby() -> None:
    net, x, y = _problem()
    weights = [p.detach().clone() for p in net.parameters()]
    grads = torch.autograd.grad(nn.functional.cross_entropy(net(x), y), list(net.parameters()))
    norm = torch.cat([g.flatten() for g in grads]).norm()
    moved = [(w + 0.3 * g / norm).requires_grad_() for w, g in zip(weights, grads)]
    worst = torch.autograd.grad(nn.functional.cross_entropy(x @ moved[0].T + moved[1], y), moved)
    _train(net, SAM(net.parameters(), lr=0.1, rho=0.3), x, y, 1)
    for now, before, gradient in zip(net.parameters(), weights, worst):
        torch.testing.assert_close(now.detach(), before - 0.1 * gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("settings", [{"rho": 0.0}, {"every": 100}])
def test_without_looking_around_it_is_sgd_bit_for_bit(settings: dict[str, float]) -> None:
    shared = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}
    net, x, y = _problem()
    other, *_ = _problem()
    _train(net, SAM(net.parameters(), **shared, **settings), x, y, 5)
    _train(other, torch.optim.SGD(other.parameters(), **shared), x, y, 5)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters()))


def test_it_looks_around_in_every_third_step_also_after_a_resume() -> None:
    passes: list[bool] = []

    def closure_for(optimizer: SAM) -> Callable[[], Tensor]:
        def closure() -> Tensor:
            passes.append(optimizer.perturbed)
            optimizer.zero_grad()
            loss = (optimizer.param_groups[0]["params"][0] ** 2).sum()
            loss.backward()
            return loss

        return closure

    first = SAM([nn.Parameter(torch.ones(2))], lr=0.1, every=3)
    for _ in range(4):
        first.step(closure_for(first))
    second = SAM([nn.Parameter(torch.ones(2))], lr=0.1, every=3)
    second.load_state_dict(first.state_dict())
    for _ in range(2):
        second.step(closure_for(second))
    assert passes == [False, False, False, True, False, False, False, True]


def test_hooks_of_a_step_are_called_once() -> None:
    net, x, y = _problem()
    torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)  # from now on steps of SGD itself call hooks
    optimizer, called = SAM(net.parameters(), lr=0.1), []
    optimizer.register_step_pre_hook(lambda *_: called.append("before"))
    optimizer.register_step_post_hook(lambda *_: called.append("after"))
    _train(net, optimizer, x, y, 1)
    assert called == ["before", "after"]


@pytest.mark.parametrize("bad", [{"rho": -0.1}, {"rho": float("nan")}, {"every": 0}])
def test_impossible_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(UserError, match="rho must be at least 0 and every at least 1"):
        SAM([nn.Parameter(torch.ones(1))], **bad)


def test_a_step_without_a_closure_names_the_precision() -> None:
    with pytest.raises(UserError, match="16-mixed"):
        SAM([nn.Parameter(torch.ones(1))], lr=0.1).step()


def _fitted(optimizer: Callable[..., torch.optim.Optimizer], **trainer: Any) -> tuple[dict[str, Any], Classifier]:
    torch.manual_seed(0)
    data = Demo(patches_per_class=10, batch_size=20)
    model = Classifier(
        partial(ResNet, widths=(8,), blocks=(1,)), data.class_names, data.bands, mean=data.mean, std=data.std,
        optimizer=optimizer,
    )  # fmt: skip
    given = {"max_epochs": 1, "accelerator": "cpu", "precision": "32-true", **BARE, **trainer}
    by = Trainer(**given)
    by.fit(model, datamodule=data)
    return by.callback_metrics, model


@pytest.mark.slow
def test_the_second_pass_is_neither_scored_nor_seen_by_batch_normalisation() -> None:
    sgd, plain = _fitted(partial(torch.optim.SGD, lr=0.01))
    sam, model = _fitted(partial(SAM, lr=0.01, rho=1e-9, every=2))
    assert float(sam["train/loss"]) == pytest.approx(float(sgd["train/loss"]), rel=1e-5)
    theirs = dict(plain.named_buffers())
    for name, buffer in model.named_buffers():
        if "norm" in name or "num_batches" in name:
            torch.testing.assert_close(buffer, theirs[name], rtol=1e-4, atol=1e-4)


def test_accumulated_gradients_are_refused_with_the_way_out() -> None:
    with pytest.raises(UserError, match=r"accumulate_grad_batches: SAM needs 1; raise data\.batch_size"):
        _fitted(SAM, accumulate_grad_batches=2)
