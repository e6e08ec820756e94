"""From logits to probabilities and decisions: the part of a classifier that is no network."""

import warnings
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from eurosat_cls.data.batch import TaskName
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.models.tasks import Task
from eurosat_cls.utils.errors import UserError


class Postprocessing(NamedTuple):
    """Decide by thresholds, and give probabilities at a temperature.

    Attributes:
        rules: of the task.
        threshold: float32, one for each independent decision; none in a multiclass task.
        temperature: float32 scalar that logits are divided by; None leaves them as they are.
    """

    rules: Task
    threshold: Tensor
    temperature: Tensor | None = None

    def calibrated(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and the thresholds for them: at the temperature, where there is one.

        Args:
            logits: ``[B, outputs]`` float32.
        """
        if self.temperature is None:
            return logits, self.threshold
        return self.rules.tempered(logits, self.threshold, self.temperature)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits ``[B, outputs]`` -> probabilities ``[B, K]``."""
        return self.rules.probabilities(self.calibrated(logits)[0])

    def decide(self, probabilities: Tensor) -> tuple[list[str], Tensor]:
        """``[B, K]`` of :meth:`probabilities` -> what each patch is called, and the confidence ``[B]`` in that.

        In a multilabel task names are joined by ``|`` and the confidence is that of the least certain decision.
        """
        _, threshold = self.calibrated(probabilities.new_zeros(0, self.rules.outputs))
        return self.rules.decide(probabilities, threshold)

    def confusion_matrix(self, outputs: EpochOutputs) -> Tensor:
        """Counts ``[K, K]`` with true classes in rows and predicted ones in columns.

        In a multilabel task ``[K, 2, 2]``: for each label the same of its absence and presence.
        """
        counts = self.rules.confusion().to(outputs.logits.device)
        matrix: Tensor = counts(*self.rules.scored(outputs.logits, outputs.target, self.threshold))
        return matrix


def initial_threshold(rules: Task, task: TaskName, threshold: float | Literal["tune"]) -> Tensor:
    """Return a configured threshold for each decision, float32; 0.5 where it is to be tuned.

    Raises:
        UserError: for one that is no probability.
    """
    if threshold != "tune" and not 0 < threshold < 1:
        raise UserError(f"model.threshold must be between 0 and 1, or tune; got {threshold}.")
    if task == "multiclass" and threshold != 0.5:
        warnings.warn("model.threshold has no effect in a multiclass task", stacklevel=3)
    return torch.full((rules.thresholds,), 0.5 if threshold == "tune" else threshold)
