"""What a training needs to go on as if it had never stopped, and Lightning's checkpoints lack.

Lightning keeps weights, optimizer, schedule and the position in the epoch. Missing are the random numbers to come, and
the metrics of the training batches that the epoch has seen so far.
"""

from typing import Any

from lightning.pytorch import Trainer
from torch import Tensor
from torchmetrics import Metric

from eurosat_cls.models.stage_scores import StageScores
from eurosat_cls.utils.distributed import gather_objects
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.seeds import random_state, set_random_state

STATE = "progress"  # the key in a checkpoint
FORMER = {"losses.train_": "loss", "metrics.train_.": "metrics."}  # beginnings of metrics' names in older checkpoints


def within_epoch(trainer: Trainer) -> bool:
    """Return whether the training is between two batches of an epoch; at the epoch's end it is not."""
    epochs: Any = trainer.fit_loop.epoch_progress.current
    return bool(epochs.processed < epochs.started)


def progress_of(trainer: Trainer, scores: StageScores) -> dict[str, Any]:
    """Return the state as plain data, with the scores of the training so far; to be called in all processes.

    Metrics are those of all processes together, so that any number of them can go on; with several, sums of floats may
    come out rounded otherwise than without the interruption.
    """
    states = gather_objects(random_state(), trainer.world_size)
    metrics = scores.named_metrics() if within_epoch(trainer) else {}
    return {"random": states, "metrics": {name: _state_of(metric) for name, metric in metrics.items()}}


def restore_progress(trainer: Trainer, scores: StageScores, saved: dict[str, Any]) -> None:
    """Go on from a state of :func:`progress_of`, when the training is about to take its first step.

    The first process takes up the metrics of all. With more processes than the checkpoint was written by, the further
    ones draw random numbers as a new training would.
    """
    try:
        _restore(trainer, scores, saved)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        said = f"{type(error).__name__} {error}"[:100]
        raise UserError(f"{trainer.ckpt_path}: its random numbers or metrics are damaged ({said}).") from error


def _restore(trainer: Trainer, scores: StageScores, saved: dict[str, Any]) -> None:
    if trainer.global_rank < len(saved["random"]):
        set_random_state(saved["random"][trainer.global_rank])
    if trainer.is_global_zero:
        metrics = scores.named_metrics()
        for name, (updates, state) in saved["metrics"].items():
            for former, present in FORMER.items():
                name = present + name.removeprefix(former) if name.startswith(former) else name
            if name in metrics:
                _set_state(metrics[name], updates, state)


def _state_of(metric: Metric) -> tuple[int, dict[str, Any]]:
    """Updates so far, and the state: tensors and lists of them."""
    with metric.sync_context():
        return metric.update_count, metric._copy_state_dict()


def _set_state(metric: Metric, updates: int, state: dict[str, Any]) -> None:
    for name, default in metric._defaults.items():
        value = state[name]
        if isinstance(default, Tensor) and metric._reductions[name] is not None and value.shape != default.shape:
            raise ValueError(f"{name} is {list(value.shape)}")
        if isinstance(default, list):
            parts = value if isinstance(value, list) else [value]  # one tensor after processes were brought together
            setattr(metric, name, [part.to(metric.device) for part in parts])
        else:
            setattr(metric, name, value.to(metric.device))
    metric._update_count, metric._computed = updates, None
