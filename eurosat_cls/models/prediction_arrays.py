"""Predictions on raw arrays, without a trainer."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.modules import evaluating

if TYPE_CHECKING:
    from eurosat_cls.models.classifier import Classifier


class Predictions(NamedTuple):
    """What a model says of ``N`` patches.

    Attributes:
        names: what each patch is called; several labels are joined by ``|``.
        confidence: float32 ``[N]``.
        probabilities: float32 ``[N, K]``.
    """

    names: list[str]
    confidence: np.ndarray
    probabilities: np.ndarray


def predict_arrays(model: "Classifier", images: Tensor | np.ndarray, batch_size: int) -> Predictions:
    """See :meth:`eurosat_cls.models.classifier.Classifier.predict`."""
    raw = torch.as_tensor(images)
    raw = raw[None] if raw.ndim == 3 else raw
    if raw.ndim != 4 or raw.shape[1] != len(model.bands) or not len(raw):
        raise UserError(
            f"predict: the images have the shape {list(raw.shape)}; the model takes [N, {len(model.bands)}, H, W] "
            f"with the bands {', '.join(model.bands)}."
        )
    if batch_size < 1:
        raise UserError(f"predict: batch_size must be at least 1, got {batch_size}.")
    with evaluating(model), torch.inference_mode():
        model.normalize.check_unit(raw[:batch_size].to(model.device))
        parts = [
            model.probabilities(model.predict_logits(batch.to(model.device))) for batch in torch.split(raw, batch_size)
        ]
        probabilities = torch.cat(parts)
        names, confidence = model.name_predictions(probabilities)
    return Predictions(names, confidence.cpu().numpy(), probabilities.cpu().numpy())
