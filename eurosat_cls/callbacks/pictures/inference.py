"""Run patches through a network that is being trained, and leave it as it was found."""

from collections.abc import Callable

import numpy as np
import torch
from lightning.pytorch import Trainer
from torch import Tensor

from eurosat_cls.callbacks.pictures.patches import patches_of
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.utils.modules import evaluating


def run_over(trainer: Trainer, module: Classifier, indices: np.ndarray, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Return what a function says of patches without augmentation, in evaluation mode and without gradients.

    Training flags come back, and no random number is drawn. The precision is that of the training.

    Args:
        trainer: whose data and precision are used.
        module: on its device.
        indices: int64 ``[n]``, positions in the store, at least one.
        function: raw ``[B, C, H, W]`` -> ``[B, ...]``.

    Returns:
        ``[n, ...]`` float32 on the CPU.
    """
    data, parts = patches_of(trainer), []
    with evaluating(module), torch.no_grad(), trainer.precision_plugin.forward_context():
        for start in range(0, len(indices), data.batch_size):
            images = data.read(indices[start : start + data.batch_size])
            parts.append(function(torch.from_numpy(images).to(module.device)).float().cpu())
    return torch.cat(parts)


def outputs_over(trainer: Trainer, module: Classifier, indices: np.ndarray) -> EpochOutputs:
    """Return what a classifier says of patches without augmentation; see :func:`run_over`."""
    data = patches_of(trainer)
    logits = run_over(trainer, module, indices, module)
    target = torch.from_numpy(np.asarray(data.store.labels[indices]))
    return EpochOutputs(logits, target.float() if data.task == "multilabel" else target, torch.from_numpy(indices))
