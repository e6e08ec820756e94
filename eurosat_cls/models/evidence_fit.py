"""Find the statistics of a trained network: one pass over its training and validation patches."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch
from torch import Tensor

from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.models.answering import Answering
from eurosat_cls.models.evidence import Evidence, fit_gaussians, nonconformity
from eurosat_cls.models.temperature import fit_temperature
from eurosat_cls.utils.modules import evaluating

MOST = 20_000  # patches of each part: more hardly change a mean


def fit_evidence(
    model: Answering, data: PatchDataModule, precision: Callable[[], AbstractContextManager[object]]
) -> Evidence | None:
    """Return the statistics of a network as it is; nothing of it changes, and no random number is drawn.

    They are of one view; where the model averages eight, of those too.

    Args:
        model: a trained classifier, on its device.
        data: of its training.
        precision: the context in which it is run.

    Returns:
        None where no patch of a part has features that are numbers.
    """
    train, val = (_some(indices) for indices in (data.split.train, data.split.val))
    with evaluating(model), torch.inference_mode():
        with _one_view(model):
            _, features = _run(model, data, train, precision)
            logits, seen = _run(model, data, val, precision)
        label = _labels(data, train)
        whole, known = (part.isfinite().all(1) for part in (features, seen))
        if not whole.any() or not known.any():
            return None
        made = Evidence(*fit_gaussians(features[whole], label[whole]), torch.zeros(0), torch.zeros(0))
        distances = made.distance(seen[known]).sort().values
        found = [made.means, made.whitening, distances, _scores(model, data, val, logits, model.temperature)]
        if model.test_time_augmentation:
            logits, _ = _run(model, data, val, precision)
            target = torch.from_numpy(np.asarray(data.store.labels[val]))
            temperature = torch.tensor([fit_temperature(logits, target, data.task)])
            found += [_scores(model, data, val, logits, temperature), temperature]
    return Evidence(*(part.clone() for part in found))


@contextmanager
def _one_view(model: Answering) -> Iterator[None]:
    """Let a model answer by one view."""
    before, model.test_time_augmentation = model.test_time_augmentation, False
    try:
        yield
    finally:
        model.test_time_augmentation = before


def _scores(
    model: Answering, data: PatchDataModule, indices: np.ndarray, logits: Tensor, temperature: Tensor
) -> Tensor:
    """Nonconformity of patches, ascending; none where they have several labels."""
    if data.task == "multilabel":
        return torch.zeros(0)
    found = nonconformity(model.expected(logits, temperature), _labels(data, indices))
    return found[found.isfinite()].sort().values.clamp(0, 1)


def _some(indices: np.ndarray) -> np.ndarray:
    """At most :data:`MOST` of them, evenly."""
    return indices[:: 1 + (len(indices) - 1) // MOST]


def _labels(data: PatchDataModule, indices: np.ndarray) -> Tensor:
    """Class of each patch; where patches have several labels, all are of one."""
    labels = torch.from_numpy(np.asarray(data.store.labels[indices]))
    return torch.zeros(len(labels), dtype=torch.int64) if data.task == "multilabel" else labels.long()


def _run(
    model: Answering, data: PatchDataModule, indices: np.ndarray,
    precision: Callable[[], AbstractContextManager[object]],
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Logits and features of patches, on the CPU."""
    found = []
    with precision():
        for start in range(0, len(indices), data.batch_size):
            images = torch.from_numpy(data.read(indices[start : start + data.batch_size]))
            found.append([part.float().cpu() for part in model.logits_and_features(images.to(model.device))])
    logits, features = zip(*found, strict=True)
    return torch.cat(logits), torch.cat(features)
