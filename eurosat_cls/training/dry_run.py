"""One batch through network, loss and metrics before the first step, so that what does not fit is told at once.

Nothing of it is left: weights, buffers, metrics, random states and the position in the data are as before.
"""

import warnings
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor

from eurosat_cls.callbacks.finders.undoable_steps import undoable_steps
from eurosat_cls.data.batch import Batch
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.models.base import PatchModule
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.network import normalising
from eurosat_cls.utils.errors import UserError

TRIED = 16  # patches of the batch: as telling as all of them, and quick for any network
SURE = 10.0  # a logit of a network that is sure


def dry_run(trainer: Trainer) -> None:
    """Try the first training batch of a model of this package; every process of a training does so.

    Raises:
        UserError: for a loss or a metric that does not fit the task, and for batches that cannot be normalised.
    """
    module, data = trainer.lightning_module, getattr(trainer, "datamodule", None)
    if not isinstance(module, PatchModule) or not isinstance(data, PatchDataModule):
        return
    if not isinstance(trainer.strategy, (SingleDeviceStrategy, DDPStrategy)):
        return
    module.train()
    with undoable_steps(trainer, module) as steps, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the training itself will give them
        warnings.filterwarnings("error", "Using a target size")  # torch's, of a loss that would compare all with all
        batch = Batch(*(part[:TRIED] for part in next(steps.batches(data))))
        with trainer.precision_plugin.train_step_context(), torch.compiler.set_stance("force_eager"):
            _try(module, batch)


def _try(module: PatchModule, batch: Batch) -> None:
    with normalising(len(batch.image)):
        if not isinstance(module, Classifier):
            module.step(batch, 0, module.train_scores, False)
            return
        logits = module(batch.image).float()
    _try_loss(module, logits, batch.target)
    for name, metric in module.train_scores.metrics.items(keep_base=True):
        _try_metric(module, name, metric, logits, batch.target)


def _try_loss(module: Classifier, logits: Tensor, target: Tensor) -> None:
    name, task = type(module.loss).__name__, module.task
    try:
        loss: Any = module.batch_loss(logits, target)
    except UserError:
        raise
    except Exception as error:  # whatever a loss raises for shapes and values that it does not take
        reason = str(error).partition("\n")[0].partition(" This will likely")[0]
        raise _misfit(module, f"it refuses logits {list(logits.shape)} and {task} targets: {reason}") from error
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        shape = list(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise UserError(f"model.loss: {name} gives {shape} instead of one number; `reduction: mean` gives that.")
    try:
        right, surest, wrong = (_of_sure(module, logits, sure) for sure in (SURE, 100 * SURE, -SURE))
    except Exception:  # it took the batch: what else it takes is its own affair
        return
    if bool((surest < right - 1).any()):
        raise _misfit(module, "it falls without bound as logits grow, as if they were log-probabilities")
    weighted = module.hparams.get("class_weights") is not None
    if bool((right > wrong).any()) or (bool((right == wrong).any()) and not weighted):
        raise _misfit(module, "it is no lower for right answers than for wrong ones")


def _of_sure(module: Classifier, logits: Tensor, sure: float) -> Tensor:
    """Losses of a network that is sure of the right answers, or of the wrong ones where ``sure`` is negative."""
    count = len(module.class_names)
    if module.task == "multiclass":
        target = torch.arange(count, device=logits.device)
        answers = torch.nn.functional.one_hot(target, count).to(logits.dtype)
        return module.batch_loss(sure * answers, target).reshape(1)
    shape = (2,) if module.task == "binary" else (2, count)
    losses = []
    for label in (0, 1):
        target = torch.full(shape, label, device=logits.device, dtype=torch.float32)
        answers = (2 * target - 1).reshape(2, -1)
        losses.append(module.batch_loss(sure * answers, target if module.task == "multilabel" else target.long()))
    return torch.stack(losses).reshape(-1)


def _misfit(module: Classifier, why: str) -> UserError:
    fitting = module.rules.default_loss.__name__  # type: ignore[attr-defined]
    name = type(module.loss).__name__
    return UserError(f"model.loss: {name} does not fit the task {module.task}; {fitting} does ({why}).")


def _try_metric(module: Classifier, name: str, metric: Any, logits: Tensor, target: Tensor) -> None:
    kind, key = type(metric).__name__, f"model.metrics.{name}"
    try:
        metric.update(*module.rules.scored(logits.detach(), target, module.threshold))
        value = metric.compute()
    except Exception as error:  # likewise
        reason = str(error).partition("\n")[0]
        raise UserError(f"{key}: {kind} does not fit the task {module.task}: {reason}") from error
    if isinstance(value, Tensor) and value.numel() == 1:
        return
    if isinstance(value, Tensor):
        what = "a value for each class" if value.shape == (len(module.class_names),) else f"values {list(value.shape)}"
    else:
        what = f"a {type(value).__name__}"
    raise UserError(
        f"{key}: {kind} gives {what}, and one number can be logged: `average: macro` where it takes that. Scores by "
        "class are in the picture ClassScores, and after `test` in test.json."
    )
