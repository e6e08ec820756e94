"""What says whether to believe an answer: sets of classes at an error rate, and how familiar a patch is.

Both compare with the validation patches of the training, by statistics that a checkpoint keeps.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from eurosat_cls.checkpoints.portable import EVIDENCE
from eurosat_cls.encoders import Tokens
from eurosat_cls.utils.errors import UserError

LACKING = "the checkpoint has no statistics of its validation patches; python -m eurosat_cls upgrade RUN adds them"
ONE_VIEW = (
    "the checkpoint's error rates and temperature are those of one view; python -m eurosat_cls upgrade RUN "
    "--model.init_args.test_time_augmentation true adds those of eight"
)
UNFAMILIAR = "unfamiliar"  # what a patch is called below --min_familiarity


class Evidence(NamedTuple):
    """Statistics of a trained network, all float32.

    Attributes:
        means: ``[M, D]``, mean features of the training patches of each class; one of all where there are several
            labels.
        whitening: ``[D, D]``, the inverse of the Cholesky factor of the covariance that the classes share.
        distances: ``[n]``, ascending :meth:`distance` of the validation patches.
        scores: ``[m]``, ascending :func:`nonconformity` of the validation patches, seen once; none of several labels.
        view_scores: ``[m]``, the same over eight views.
        view_temperature: ``[1]``, the temperature over eight views; ``[0]`` where nobody has looked at those.
    """

    means: Tensor
    whitening: Tensor
    distances: Tensor
    scores: Tensor
    view_scores: Tensor = torch.zeros(0)
    view_temperature: Tensor = torch.zeros(0)

    @classmethod
    def checked(cls, found: Any, where: str) -> "Evidence":
        """Return what a checkpoint holds under :data:`EVIDENCE`.

        Raises:
            UserError: naming the file, for whatever no training wrote.
        """
        names, known = cls._fields, found if isinstance(found, Mapping) else {}
        given = {name: known.get(name, cls._field_defaults.get(name)) for name in names}
        if not all(isinstance(part, Tensor) for part in given.values()):
            raise UserError(f"{where}: its statistics ({EVIDENCE}) are damaged.")
        made = cls(**given)
        size = made.whitening.shape[-1] if made.whitening.ndim else 0
        shapes = made.means.ndim == 2 and made.means.shape[1] == size and made.whitening.shape == (size, size)
        lists = all(values.ndim == 1 for values in made[2:]) and len(made.distances) > 0
        lists = lists and len(made.view_temperature) <= 1
        if not shapes or not lists or not len(made.means) or any(part.dtype != torch.float32 for part in made):
            raise UserError(f"{where}: its statistics ({EVIDENCE}) are damaged (shapes or types).")
        finite = all(bool(part.isfinite().all()) for part in made)
        ordered = all(bool((values.diff() >= 0).all()) and bool((values >= 0).all()) for values in made[2:])
        if not finite or not ordered or bool((made.view_temperature == 0).any()):
            raise UserError(f"{where}: its statistics ({EVIDENCE}) are damaged (values).")
        return made

    def plain(self) -> dict[str, Tensor]:
        """Return it as a checkpoint holds it; what is not known of eight views is left out."""
        kept = self._asdict().items()
        return {name: part.cpu().contiguous() for name, part in kept if len(part) or name not in self._field_defaults}

    def of_views(self, several: bool) -> "Evidence":
        """Return what holds for answers of one view or, with the scores of those, of eight.

        Raises:
            UserError: where nobody has looked at eight.
        """
        if several and len(self.scores) and not len(self.view_scores):
            raise UserError(f"--error_rate: {ONE_VIEW}.")
        return self._replace(scores=self.view_scores) if several else self

    def to(self, device: torch.device) -> "Evidence":
        """Return it on a device."""
        return self if self.means.device == device else Evidence(*(part.to(device) for part in self))

    def distance(self, features: Tensor) -> Tensor:
        """Squared Mahalanobis distance from the nearest class, float32 ``[B]``.

        ``min_k (f - mu_k)' S^-1 (f - mu_k)`` with the covariance ``S`` that all classes share.

        Args:
            features: ``[B, D]``.

        Raises:
            UserError: for features of another length.

        Source: Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
        Attacks", NeurIPS 2018.
        """
        if features.shape[1:] != self.means.shape[1:]:
            raise UserError(f"the checkpoint's statistics ({EVIDENCE}) are of another network.")
        with torch.autocast(features.device.type, enabled=False):
            white = (features.float() - self.means[0]) @ self.whitening.T
            centres = (self.means - self.means[0]) @ self.whitening.T
            exact = "donot_use_mm_for_euclid_dist"
            return torch.cdist(white, centres, compute_mode=exact).amin(1).square()

    def familiarity(self, features: Tensor) -> Tensor:
        """p-value of each patch against the validation patches, float32 ``[B]``: small where it is unlike them.

        ``(1 + #{i: d_i >= d}) / (n + 1)``: of patches that are like those of the validation a share of ``p`` is below
        ``p``. Features that are no numbers have the smallest one.

        Args:
            features: ``[B, D]``.

        Source: Bates et al., "Testing for outliers with conformal p-values", Annals of Statistics 2023.
        """
        count = len(self.distances)
        below = torch.searchsorted(self.distances, self.distance(features))
        return (count + 1 - below).float() / (count + 1)

    def threshold(self, error_rate: float) -> float:
        """Largest nonconformity that a set at an error rate takes in: the ``ceil((m + 1) (1 - a))``-th smallest one.

        Args:
            error_rate: ``a``, the share of sets that may lack the truth.

        Raises:
            UserError: for what is no rate, for several labels, and for fewer validation patches than it takes.

        Source: Vovk et al., "Algorithmic Learning in a Random World", 2005; Angelopoulos and Bates, "A Gentle
        Introduction to Conformal Prediction", 2021, section 1.
        """
        if not 0 < error_rate < 1:
            raise UserError(f"--error_rate {error_rate:g}: it is a share between 0 and 1, such as 0.05.")
        if not (count := len(self.scores)):
            raise UserError("--error_rate: sets of classes are for one class of several, not for several labels.")
        rank = math.ceil((count + 1) * (1 - error_rate) - 1e-9)
        if rank > count:
            raise UserError(
                f"--error_rate {error_rate:g}: the {count:,} validation patches allow rates from "
                f"{math.ceil(1e4 / (count + 1)) / 1e4:g} on."
            )
        return float(self.scores[rank - 1])

    def sets(self, probabilities: Tensor, error_rate: float) -> Tensor:
        """Return the classes that each patch may have, bool ``[B, K]``: those that are conform enough.

        A set is empty where no class is probable enough, which happens at rates above the network's own errors.

        Args:
            probabilities: ``[B, K]``, at the checkpoint's temperature.
            error_rate: see :meth:`threshold`.
        """
        return (1 - probabilities.float()) <= self.threshold(error_rate)


def nonconformity(probabilities: Tensor, target: Tensor) -> Tensor:
    """How little a patch's true class was expected: ``1 - p_true``, float32 ``[n]``.

    Args:
        probabilities: ``[n, K]``.
        target: ``[n]`` int64.

    Source: Sadinle et al., "Least Ambiguous Set-Valued Classifiers With Bounded Error Levels", JASA 2019.
    """
    return 1 - probabilities.float().gather(1, target.long()[:, None])[:, 0]


def pooled(encoded: Tensor | Tokens) -> Tensor:
    """Return what a decoder takes as features ``[B, D]``: the mean of a map or of tokens that are no padding."""
    if isinstance(encoded, Tokens):
        features, mask = encoded
        if mask is None:
            return features.mean(1)
        there = (~mask)[:, :, None].to(features.dtype)
        return (features * there).sum(1) / there.sum(1).clamp_min(1)
    return encoded.mean((2, 3)) if encoded.ndim == 4 else encoded


def fit_gaussians(features: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Return means and whitening as :class:`Evidence` has them.

    Args:
        features: ``[N, D]`` of training patches, finite.
        label: ``[N]`` int64.
    """
    classes, place = torch.unique(label, return_inverse=True)
    means = torch.stack([features[place == k].double().mean(0) for k in range(len(classes))])
    size, count = features.shape[1], len(features)
    second, fourth = (torch.zeros(size, size, dtype=torch.float64) for _ in range(2))
    for start in range(0, count, 2048):
        part = slice(start, start + 2048)
        centred = features[part].double() - means[place[part]]
        second += centred.T @ centred
        fourth += centred.square().T @ centred.square()
    covariance = shrunk(second / count, fourth / count, count)
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if failed:  # features that are all the same: nothing is farther than anything else
        return means.float(), torch.zeros(size, size)
    whitening = torch.linalg.solve_triangular(factor, torch.eye(size, dtype=torch.float64), upper=False)
    return means.float(), whitening.float()


def shrunk(covariance: Tensor, fourth: Tensor, count: int) -> Tensor:
    """Pull a covariance ``[D, D]`` towards a multiple of the identity, as far as its patches are too few for it.

    Args:
        covariance: ``S``, the mean of ``x x'``.
        fourth: the mean of ``x^2 (x^2)'``, element by element.
        count: patches that it is of.

    Source: Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", JMVA 2004.
    """
    size = len(covariance)
    identity = torch.eye(size, dtype=covariance.dtype)
    level = covariance.trace() / size
    spread = (covariance - level * identity).square().sum()
    noise = (fourth - covariance.square()).sum() / count
    share = min(1.0, float(noise / spread)) if spread > 0 else 1.0
    return (1 - share) * covariance + share * level * identity
