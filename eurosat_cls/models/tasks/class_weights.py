"""Weights per class, from names or from counts."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import did_you_mean, nearest
from eurosat_cls.utils.text import class_label

ClassWeights = Mapping[str, float] | Literal["balanced"] | None


def class_weight_tensor(
    weights: ClassWeights, class_names: Sequence[str], class_counts: Sequence[int] | None
) -> Tensor | None:
    """Turn the ``class_weights`` setting into a float32 tensor ``[K]``, or None when there are none.

    Args:
        weights: a weight by class name (classes left out get 1), ``"balanced"`` for ``N / (K * count)``, or None.
        class_names: the ``K`` names in label order.
        class_counts: training patches per class; needed for ``"balanced"``.

    Raises:
        UserError: for an unknown class, a weight that is negative, NaN or infinite, only zeros, or ``"balanced"``
            without counts.

    Source: the balanced formula is scikit-learn's ``compute_class_weight``.

    Example:
        >>> class_weight_tensor({"River": 2.0}, ["Forest", "River"], None)
        tensor([1., 2.])
        >>> class_weight_tensor("balanced", ["Forest", "River"], [30, 10])
        tensor([0.6667, 2.0000])
    """
    if weights is None:
        return None
    if isinstance(weights, str):
        if class_counts is None or not all(count > 0 for count in class_counts):
            raise UserError("class_weights: 'balanced' needs at least one training patch of every class.")
        total = sum(class_counts)
        return torch.tensor([total / (len(class_names) * count) for count in class_counts], dtype=torch.float32)
    weights = {class_label(name): weight for name, weight in weights.items()}
    for name, weight in weights.items():
        if name not in class_names:
            hint = did_you_mean(nearest(name, class_names)) or f" The classes are {', '.join(class_names)}."
            raise UserError(f"class_weights: unknown class {name!r}.{hint}")
        if not (math.isfinite(weight) and weight >= 0):
            raise UserError(f"class_weights: {name} has weight {weight}; weights are finite and at least 0.")
    values = [float(weights.get(name, 1.0)) for name in class_names]
    if not any(values):
        raise UserError("class_weights: all weights are 0.")
    return torch.tensor(values, dtype=torch.float32)
