"""What a model said about every patch of a validation or a test."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric


class Outcome(NamedTuple):
    """Patches in the order of the store, each once.

    Attributes:
        logits: ``[n, outputs]`` float32.
        target: ``[n]`` int64, or ``[n, K]`` float32 where a patch has several labels.
        rows: ``[n]`` int64, positions in the store.
    """

    logits: Tensor
    target: Tensor
    rows: Tensor


class Outcomes(Metric):
    """Collect logits and targets of an epoch, of all processes.

    The 5,400 test patches of EuroSAT take 0.3 MB.
    """

    full_state_update = False
    logits: list[Tensor]
    target: list[Tensor]
    rows: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in Outcome._fields:
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, logits: Tensor, target: Tensor, rows: Tensor) -> None:
        """Add a batch: detached ``[B, outputs]``, ``[B]`` or ``[B, K]``, ``[B]``."""
        self.logits.append(logits.float())
        self.target.append(target)
        self.rows.append(rows)

    def compute(self) -> Outcome:
        """Return what was collected; a patch that several processes have seen counts once."""
        # Lists before they are brought together, tensors after that.
        logits, target, rows = (
            torch.cat(state) if isinstance(state, list) else state for state in (self.logits, self.target, self.rows)
        )
        rows, order = rows.sort(stable=True)
        first = torch.ones_like(rows, dtype=torch.bool)
        first[1:] = rows[1:] != rows[:-1]
        order = order[first]
        return Outcome(logits[order], target[order], rows[first])
