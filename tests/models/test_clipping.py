"""Gradients are clipped whatever the optimizer, and accumulated over batches."""

from functools import partial
from typing import Any

import pytest
import torch
from lightning.pytorch.plugins.precision import MixedPrecision

from eurosat_cls import Classifier, Trainer, UserError
from eurosat_cls.data import Demo
from eurosat_cls.encoders import ResNet
from tests.conftest import BARE


def trained(steps: int = 1, precision: Any = "bf16-mixed", fused: bool = True, **settings: Any) -> tuple[float, int]:
    """Train with a learning rate of 1; return how far the weights went in all, and the optimizer's steps."""
    torch.manual_seed(0)
    data = Demo(patches_per_class=10, batch_size=15)
    sgd = partial(torch.optim.SGD, lr=1.0, fused=fused)
    encoder = partial(ResNet, widths=(8, 16), blocks=(1, 1))
    model = Classifier(encoder, data.class_names, data.bands, optimizer=sgd, mean=data.mean, std=data.std)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    trainer = Trainer(
        accelerator="cpu", precision=precision, max_epochs=1, limit_train_batches=steps, limit_val_batches=0,
        num_sanity_val_steps=0, **settings, **BARE,
    )  # fmt: skip
    trainer.fit(model, datamodule=data)
    moved = [(old - new).detach().flatten() for old, new in zip(before, model.parameters(), strict=True)]
    return torch.cat(moved).norm().item(), trainer.global_step


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_step_is_no_longer_than_the_limit(precision: str, fused: bool) -> None:
    free, _ = trained(precision=precision, fused=fused)
    clipped, _ = trained(precision=precision, fused=fused, gradient_clip_val=0.01)
    assert clipped == pytest.approx(0.01, rel=1e-2)
    assert free > 0.1


def test_single_values_can_be_clipped_too() -> None:
    free, _ = trained()
    clipped, _ = trained(gradient_clip_val=1e-4, gradient_clip_algorithm="value")
    assert 0 < clipped < free / 10


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
def test_a_fused_optimizer_in_float16_is_refused() -> None:
    model = Classifier(ResNet, ["a", "b"], ["B04"])
    model._trainer = Trainer(accelerator="cpu", precision="32-true", **BARE)
    model._trainer.strategy._precision_plugin = MixedPrecision("16-mixed", "cuda")
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, fused=True)
    with pytest.raises(UserError, match="fused: false"):
        model.configure_gradient_clipping(optimizer, 1.0, "norm")


def test_gradients_are_accumulated() -> None:
    assert trained(steps=4)[1] == 4
    assert trained(steps=4, accumulate_grad_batches=2)[1] == 2
