"""What does not fit is told before the first step, and trying it leaves no trace."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torchmetrics.classification
from torch import Tensor, nn

from eurosat_cls import AutoEncoder, Classifier, Trainer, UserError
from eurosat_cls.data import Demo
from eurosat_cls.data.batch import Batch
from eurosat_cls.decoders import LinearReconstruction
from eurosat_cls.encoders import ResNet
from eurosat_cls.losses import FocalLoss, SigmoidFocalLoss
from eurosat_cls.training import dry_run as trying
from eurosat_cls.training import trainer as trainer_module
from eurosat_cls.utils.seeds import random_state
from tests.callbacks.finders.test_undoable_steps import assert_same
from tests.conftest import BARE

Run = Callable[..., tuple[int, str]]
ENCODER = partial(ResNet, widths=(8,), blocks=(1,))


class Unbounded(nn.Module):
    """A likelihood of log-probabilities, by someone else."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return -logits.gather(1, target[:, None]).mean()


class Inverted(nn.Module):
    """Rewards wrong answers."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return -nn.functional.cross_entropy(logits, target).clamp(max=1)


class Reversed(nn.SoftMarginLoss):
    """Wants -1 and 1, and gets 0 and 1."""


def fit(**settings: Any) -> None:
    data = Demo(patches_per_class=4, batch_size=8)
    names = data.class_names if settings.get("task", "multiclass") != "binary" else data.class_names[:2]
    model = Classifier(ENCODER, names, data.bands, mean=data.mean, std=data.std, **settings)
    model.on_train_start = lambda: pytest.fail("the training began")  # type: ignore[method-assign]
    trainer = Trainer(max_epochs=1, accelerator="cpu", precision="32-true", num_sanity_val_steps=0, **BARE)
    trainer.fit(model, datamodule=data)


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        (nn.NLLLoss, "CrossEntropyLoss does"),
        (nn.MSELoss, "CrossEntropyLoss does"),
        (nn.L1Loss, "CrossEntropyLoss does"),
        (nn.MultiLabelMarginLoss, "it refuses logits"),
        (nn.SoftMarginLoss, "it refuses logits"),
        (nn.CosineEmbeddingLoss, "missing 1 required"),
        (Unbounded, "without bound"),
        (Inverted, "no lower for right answers"),
        (partial(nn.CrossEntropyLoss, reduction="none"), r"gives \[8\] instead of one number"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(loss: Any, why: str) -> None:
    with pytest.raises(UserError, match=rf"^model.loss: \w+ .*{why}") as raised:
        fit(loss=loss)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("loss", [Reversed, nn.BCELoss, nn.MSELoss, nn.HingeEmbeddingLoss])
def test_losses_of_decisions_are_tried_too(loss: Any) -> None:
    def tried() -> None:
        model = Classifier(ENCODER, ["a", "b"], ["B04"], task="multilabel", loss=loss)
        trying._try_loss(model, torch.zeros(4, 2), torch.ones(4, 2))

    with pytest.raises(UserError, match=rf"model.loss: {loss.__name__} does not fit the task multilabel"):
        tried()


@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel"])
def test_losses_that_fit_are_let_through(task: Any) -> None:
    fitting: dict[str, list[Any]] = {
        "multiclass": [None, partial(nn.CrossEntropyLoss, label_smoothing=0.2), nn.MultiMarginLoss, FocalLoss],
        "binary": [None, SigmoidFocalLoss],
        "multilabel": [None, SigmoidFocalLoss, nn.MultiLabelSoftMarginLoss],
    }
    for loss in fitting[task]:
        model = Classifier(ENCODER, ["a", "b"], ["B04"], task=task, loss=loss)
        target = torch.ones(4, 2) if task == "multilabel" else torch.tensor([0, 1, 1, 0])
        trying._try_loss(model, torch.randn(4, model.rules.outputs), target)


@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel"])
def test_a_class_that_weighs_nothing_is_let_through(task: Any) -> None:
    model = Classifier(ENCODER, ["a", "b"], ["B04"], task=task, class_weights={"b": 0.0})
    target = torch.ones(4, 2) if task == "multilabel" else torch.tensor([0, 1, 1, 0])
    trying._try_loss(model, torch.randn(4, model.rules.outputs), target)


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("MulticlassF1Score", {"average": "none"}, "gives a value for each class"),
        ("MulticlassConfusionMatrix", {}, r"gives values \[10, 10\]"),
        ("MulticlassROC", {}, "gives a tuple"),
        ("MultilabelF1Score", {}, "does not fit the task multiclass"),
    ],
)
def test_a_metric_that_does_not_fit_is_named(name: str, settings: dict[str, Any], why: str) -> None:
    metric = partial(getattr(torchmetrics.classification, name), **settings)
    with pytest.raises(UserError, match=rf"model.metrics.mine: {name} {why}"):
        fit(metrics={"mine": metric})


def options(name: str) -> list[str]:
    return {
        "overfit_batches": ["--trainer.overfit_batches", "2"],
        "share": ["--trainer.overfit_batches", "0.5"],
        "endless": ["--trainer.max_epochs", "-1", "--trainer.max_time", "00:00:00:02"],
        "short": ["--model.init_args.total_steps", "2"],
        "each": ["--model.init_args.metrics", json.dumps({"per": {
            "class_path": "torchmetrics.classification.MulticlassF1Score", "init_args": {"average": "none"}}})],
    }[name]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("overfit_batches", "trainer.overfit_batches"),
        ("share", "trainer.overfit_batches"),
        ("endless", "model.lr_scheduler: it is planned for the steps of the whole training, which has no end"),
        ("short", "OneCycleLR"),
        ("each", "model.metrics.per: MulticlassF1Score gives a value for each class"),
    ],
)
def test_flags_that_do_not_fit_end_in_a_line(run: Run, name: str, said: str) -> None:
    code, printed = run("fit", *options(name))
    assert code == 2, printed
    assert said in printed.splitlines()[-1]
    assert "Traceback" not in printed


def test_batch_normalisation_over_single_values_is_told() -> None:
    model = Classifier(partial(ResNet, widths=(8, 8, 8), blocks=(1, 1, 1)), ["a", "b"], ["B04"])
    batch = Batch(torch.zeros(1, 1, 8, 8), torch.zeros(1).long(), torch.zeros(1))
    with pytest.raises(UserError, match=r"data\.batch_size: .* a batch of 1 comes to a single value"):
        trying._try(model.train(), batch)


@pytest.mark.parametrize("kind", ["classifier", "autoencoder"])
def test_it_leaves_no_trace(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    states: list[Any] = []

    def state(trainer: Any) -> dict[str, Any]:
        module = trainer.lightning_module
        metrics = {name: (metric.update_count, metric._copy_state_dict())
                   for name, metric in module.train_scores.named_metrics().items()}  # fmt: skip
        flags = [part.training for part in module.modules()]
        loader = trainer.fit_loop._combined_loader
        return {"state": {k: v.clone() for k, v in module.state_dict().items()}, "random": random_state(),
                "metrics": metrics, "flags": flags, "loader": loader, "logged": dict(trainer.callback_metrics),
                "gradients": [p.grad for p in module.parameters()]}  # fmt: skip

    real = trainer_module.dry_run

    def watched(trainer: Any) -> None:
        states.append(state(trainer))
        real(trainer)
        states.append(state(trainer))

    def weights() -> Any:
        torch.manual_seed(0)
        data = Demo(patches_per_class=8, batch_size=16)
        rest = {"mean": data.mean, "std": data.std, "optimizer": partial(torch.optim.SGD, lr=0.1)}
        if kind == "classifier":
            model: Any = Classifier(ENCODER, data.class_names, data.bands, **rest)
        else:
            model = AutoEncoder(ENCODER, partial(LinearReconstruction, scale=2), data.bands, **rest)
        Trainer(max_epochs=1, accelerator="cpu", precision="32-true", **BARE).fit(model, datamodule=data)
        return {name: value.clone() for name, value in model.state_dict().items()}

    monkeypatch.setattr(trainer_module, "dry_run", watched)
    found.append(weights())
    monkeypatch.setattr(trainer_module, "dry_run", lambda trainer: None)
    found.append(weights())
    before, after = states
    assert_same(before, after)
    assert_same(*found)
