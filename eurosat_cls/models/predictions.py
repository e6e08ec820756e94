"""What a model said about patches: of raw arrays, or of every patch of a validation or a test."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric


class Predictions(NamedTuple):
    """What a model says of ``N`` patches.

    Attributes:
        names: what each patch is called; several labels are joined by ``|``.
        confidence: float32 ``[N]``.
        probabilities: float32 ``[N, K]``.
        familiarity: float32 ``[N]``, see :meth:`~eurosat_cls.models.evidence.Evidence.familiarity`; None where the
            checkpoint has no statistics.
        sets: classes that each may have, at the error rate that was asked for.
    """

    names: list[str]
    confidence: np.ndarray
    probabilities: np.ndarray
    familiarity: np.ndarray | None = None
    sets: list[list[str]] | None = None


class EpochOutputs(NamedTuple):
    """Patches in the order of the store, each once.

    Attributes:
        logits: ``[n, outputs]`` float32.
        target: ``[n]`` int64, or ``[n, K]`` float32 where a patch has several labels.
        indices: ``[n]`` int64, positions in the store.
        familiarity: ``[n]`` float32; None where it is not known.
    """

    logits: Tensor
    target: Tensor
    indices: Tensor
    familiarity: Tensor | None = None


class OutputCollector(Metric):
    """Collect logits and targets of an epoch, of all processes.

    The 5,400 test patches of EuroSAT take 0.3 MB.
    """

    full_state_update = False
    logits: list[Tensor]
    target: list[Tensor]
    indices: list[Tensor]
    familiarity: list[Tensor]  # NaN where it is not known

    def __init__(self) -> None:
        super().__init__()
        for name in EpochOutputs._fields:
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, logits: Tensor, target: Tensor, indices: Tensor, familiarity: Tensor | None = None) -> None:
        """Add a batch: detached ``[B, outputs]``, ``[B]`` or ``[B, K]``, ``[B]``, ``[B]``."""
        self.logits.append(logits.float())
        self.target.append(target)
        self.indices.append(indices)
        unknown = torch.full(indices.shape, torch.nan, device=logits.device)
        self.familiarity.append(unknown if familiarity is None else familiarity)

    def compute(self) -> EpochOutputs:
        """Return what was collected; a patch that several processes have seen counts once."""
        # Lists before they are brought together, tensors after that.
        logits, target, indices, familiarity = (
            torch.cat(state) if isinstance(state, list) else state
            for state in (self.logits, self.target, self.indices, self.familiarity)
        )
        indices, order = indices.sort(stable=True)
        first = torch.ones_like(indices, dtype=torch.bool)
        first[1:] = indices[1:] != indices[:-1]
        order = order[first]
        known = None if familiarity.isnan().any() else familiarity[order]
        return EpochOutputs(logits[order], target[order], indices[first], known)
