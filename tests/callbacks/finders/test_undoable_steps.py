"""Steps that are undone: nothing in model, trainer or random state tells that they were taken."""

import random
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor, nn

from eurosat_cls import Classifier, Trainer, UserError
from eurosat_cls.callbacks.finders.undoable_steps import UndoableSteps, undoable_steps
from eurosat_cls.data import Demo, Dihedral
from eurosat_cls.encoders import ResNet
from tests.conftest import BARE


class WithDropout(nn.CrossEntropyLoss):
    """Draws from torch's own random state in every step."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(logits, 0.2), target)


class AtEpochStart(Callback):
    """Does something where a finder does it, and hears of every batch."""

    def __init__(self, work: Callable[[Any, Any], None]) -> None:
        self.work, self.heard = work, 0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.work(trainer, pl_module)

    def on_before_optimizer_step(self, trainer: Any, *rest: Any) -> None:
        self.heard += 1


def fit(work: Callable[[Any, Any], None], loss: Any = WithDropout, **settings: Any) -> tuple[Classifier, AtEpochStart]:
    torch.manual_seed(0)
    data = Demo(patches_per_class=10, batch_size=20, augment=[Dihedral()])
    model = Classifier(
        partial(ResNet, widths=(8, 16), blocks=(1, 1)), data.class_names, data.bands, mean=data.mean, std=data.std,
        loss=loss, lr_scheduler=partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.05),
    )  # fmt: skip
    callback = AtEpochStart(work)
    precision = {"max_epochs": 1, "accelerator": "cpu", "precision": "32-true", **settings}
    Trainer(callbacks=[callback], num_sanity_val_steps=0, **precision, **BARE).fit(model, datamodule=data)
    return model, callback


def state(trainer: Any, model: nn.Module) -> dict[str, Any]:
    """All that a step changes, metrics, random state and gradients included."""
    metrics = {name: module for name, module in model.named_modules() if hasattr(module, "_update_count")}
    optimizer = trainer.optimizers[0]
    return {
        "tensors": {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "identity": [id(p) for p in model.parameters()] + [id(b) for b in model.buffers()],
        "gradients": [p.grad is None for p in model.parameters()],
        "flags": [module.training for module in model.modules()],
        "metrics": {name: (id(m), m._update_count) for name, m in metrics.items()},  # type: ignore[attr-defined]
        "optimizer": (len(optimizer.state), [dict(g, params=None) for g in optimizer.param_groups]),
        "schedule": trainer.lr_scheduler_configs[0].scheduler.last_epoch,
        "random": (torch.get_rng_state(), str(np.random.get_state()), random.getstate()),  # noqa: NPY002
        "steps": trainer.global_step,
        "logged": dict(trainer.callback_metrics),
        "own": [name for name in ("log", "log_dict") if name in vars(model)],
    }


def assert_same(before: Any, after: Any) -> None:
    if isinstance(before, Tensor):
        assert torch.equal(before, after)
    elif isinstance(before, dict):
        assert before.keys() == after.keys()
        for key in before:
            assert_same(before[key], after[key])
    elif isinstance(before, (list, tuple)):
        assert len(before) == len(after)
        for one, other in zip(before, after, strict=True):
            assert_same(one, other)
    else:
        assert before == after


def train_a_little(trial: UndoableSteps, data: Any, steps: int = 3) -> None:
    trial.set_rate(0.5)
    for batch in islice(trial.batches(data), steps):
        trial.step([batch])


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_as_it_was_found(fails: bool) -> None:
    def work(trainer: Any, module: Any) -> None:
        module.encoder.eval()
        before = state(trainer, module)
        weight = module.decoder.linear.weight
        try:
            with undoable_steps(trainer, module) as trial:
                module.encoder.train()
                train_a_little(trial, trainer.datamodule)
                torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
                assert not torch.equal(weight, before["tensors"]["decoder.linear.weight"])
                if fails:
                    raise RuntimeError("CUDA out of memory.")
        except RuntimeError:
            assert fails
        assert_same(before, state(trainer, module))

    _, callback = fit(work)
    assert callback.heard == 3  # the training's own three steps


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"precision": "32-true"}, {"accumulate_grad_batches": 2}])
def test_a_training_goes_as_if_nothing_had_been(settings: dict[str, Any]) -> None:
    def rehearse(trainer: Any, module: Any) -> None:
        with undoable_steps(trainer, module) as trial:
            train_a_little(trial, trainer.datamodule, 7)

    plain, _ = fit(lambda *_: None, max_epochs=2, **settings)
    after, _ = fit(rehearse, max_epochs=2, **settings)
    assert_same(dict(plain.state_dict()), dict(after.state_dict()))


def test_the_steps_are_those_of_the_training() -> None:
    weights: dict[str, Tensor] = {}

    def rehearse(trainer: Any, module: Any) -> None:
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        with undoable_steps(trainer, module) as trial:
            batches = trial.batches(trainer.datamodule)
            trial.set_rate(rate)
            trial.step([next(batches), next(batches), next(batches)])
            weights.update({k: v.clone() for k, v in module.state_dict().items()})

    # One step of three batches, clipped, is the whole epoch of the training.
    model, _ = fit(rehearse, nn.CrossEntropyLoss, accumulate_grad_batches=3, gradient_clip_val=0.1)
    trained = {key: value for key, value in model.state_dict().items() if key.startswith(("encoder.", "decoder."))}
    assert_same({key: weights[key] for key in trained}, trained)


def test_batches_go_on_into_the_next_epoch_in_another_order() -> None:
    seen: list[list[int]] = []

    def rehearse(trainer: Any, module: Any) -> None:
        with undoable_steps(trainer, module) as trial:
            seen.extend(batch.indices.tolist() for batch in islice(trial.batches(trainer.datamodule, limit=2), 4))

    fit(rehearse)
    assert sum(len(set(rows)) for rows in seen[:2]) == 40
    assert seen[:2] != seen[2:]


def test_several_optimizers_are_refused() -> None:
    def rehearse(trainer: Any, module: Any) -> None:
        one = torch.optim.SGD(module.parameters(), 0.1)
        module.configure_optimizers = lambda: [one, one]
        with undoable_steps(trainer, module):
            pass

    with pytest.raises(UserError, match="no single optimizer"):
        fit(rehearse)
