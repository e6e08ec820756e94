"""What a classifier answers: logits, probabilities, names, and whether to believe them."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eurosat_cls.checkpoints.portable import EVIDENCE
from eurosat_cls.data.augment import dihedral_view
from eurosat_cls.data.batch import Batch
from eurosat_cls.data.files.patches import as_patches
from eurosat_cls.data.unit import UnitName
from eurosat_cls.models.base import PatchModule
from eurosat_cls.models.evidence import LACKING, ONE_VIEW, UNFAMILIAR, Evidence, pooled
from eurosat_cls.models.indices import WithIndices
from eurosat_cls.models.network import encode
from eurosat_cls.models.normalize import NoNormalize, Normalize
from eurosat_cls.models.postprocessing import Postprocessing
from eurosat_cls.models.predictions import Predictions
from eurosat_cls.models.tasks import Task
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.modules import evaluating


class Answering(PatchModule):
    """The part of a :class:`~eurosat_cls.models.classifier.Classifier` that answers, when it is trained.

    Attributes:
        evidence: statistics of the training, where the checkpoint has them.
        error_rate: of the sets of classes among the predictions; None for no sets.
        min_familiarity: below it a patch is called "unfamiliar" among the predictions.
    """

    class_names: list[str]
    bands: list[str]
    rules: Task
    normalize: NoNormalize | Normalize | WithIndices
    threshold: Tensor  # [number of independent decisions], none in a multiclass task
    temperature: Tensor
    test_time_augmentation: bool
    calibrate: bool
    evidence: Evidence | None = None
    error_rate: float | None = None
    min_familiarity: float | None = None

    def _encode(self, image: Tensor) -> Any:
        if self.memory_format == "channels_last":
            image = image.contiguous(memory_format=torch.channels_last)
        return encode(self.encoder, self.decoder, self.normalize(image))

    def forward(self, image: Tensor) -> Tensor:
        """Raw ``[B, C, H, W]`` -> logits ``[B, K]``."""
        logits: Tensor = self.decoder(self._encode(image))
        return logits

    @property
    def postprocessing(self) -> Postprocessing:
        """From logits to probabilities, calibrated where ``calibrate`` is set, and to decisions."""
        return Postprocessing(self.rules, self.threshold, self.answering_temperature if self.calibrate else None)

    @property
    def answering_temperature(self) -> Tensor:
        """The temperature of what is averaged: eight views have one of their own where the checkpoint knows it."""
        if self.test_time_augmentation and self.evidence is not None and len(self.evidence.view_temperature):
            return self.evidence.view_temperature[0].to(self.temperature.device)
        return self.temperature

    def expected(self, logits: Tensor, temperature: Tensor | None = None) -> Tensor:
        """Logits ``[B, outputs]`` -> probabilities ``[B, K]`` at the temperature, whatever ``calibrate`` says."""
        temperature = (self.answering_temperature if temperature is None else temperature).to(logits.device)
        return Postprocessing(self.rules, self.threshold.to(logits.device), temperature).probabilities(logits)

    def predict_logits(self, image: Tensor) -> Tensor:
        """Raw ``[B, C, H, W]`` -> logits in float32, over eight views where so configured."""
        return self._over_views(image, self(image))

    def logits_and_features(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits as of :meth:`predict_logits`, and the features ``[B, D]`` of the first view that the decoder takes."""
        encoded = self._encode(image)
        return self._over_views(image, self.decoder(encoded)), pooled(encoded)

    def examine(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits as of :meth:`predict_logits`, and the familiarity ``[B]``; None without statistics."""
        if self.evidence is None:
            return self.predict_logits(image), None
        logits, features = self.logits_and_features(image)
        self.evidence = self.evidence.to(features.device)
        return logits, self.evidence.familiarity(features)

    def _over_views(self, image: Tensor, first: Tensor) -> Tensor:
        if not self.test_time_augmentation:
            return first.float()
        views = [self(dihedral_view(image, view)).float() for view in range(1, 8)]
        return self.rules.merge([first.float(), *views])

    # --- statistics ----------------------------------------------------------------------------------------------

    def take_evidence(self, checkpoint: Mapping[str, Any], where: str) -> None:
        """Take the statistics of a checkpoint, where it has them.

        Args:
            checkpoint: as read.
            where: the file.

        Raises:
            UserError: for damaged ones, and where what is wished needs what there is not.
        """
        self.evidence = Evidence.checked(checkpoint[EVIDENCE], where) if EVIDENCE in checkpoint else None
        self.check_wishes(self.error_rate, self.min_familiarity)
        if self.calibrate and self.answering_temperature is self.temperature and self.test_time_augmentation:
            warnings.warn(f"model.calibrate: {ONE_VIEW}", stacklevel=2)

    def check_wishes(self, error_rate: float | None, min_familiarity: float | None) -> None:
        """Refuse an error rate or a familiarity that the statistics do not allow.

        Raises:
            UserError: saying what is possible.
        """
        if min_familiarity is not None and not 0 < min_familiarity < 1:
            raise UserError(f"--min_familiarity {min_familiarity:g}: it is a share between 0 and 1, such as 0.01.")
        for name, value in (("error_rate", error_rate), ("min_familiarity", min_familiarity)):
            if value is not None and self.evidence is None:
                raise UserError(f"--{name}: {LACKING}.")
        if error_rate is not None and self.evidence is not None:
            self.evidence.of_views(self.test_time_augmentation).threshold(error_rate)

    # --- answers -------------------------------------------------------------------------------------------------

    def predict(
        self,
        images: Tensor | np.ndarray | Sequence[Any],
        batch_size: int = 256,
        unit: UnitName | None = None,
        stretch: Sequence[float] | None = None,
        error_rate: float | None = None,
        min_familiarity: float | None = None,
    ) -> Predictions:
        """Classify raw patches.

        Args:
            images: ``[N, C, H, W]`` with the model's bands in its order, in raw sensor values; ``[C, H, W]`` for one.
                Or image files by their paths, or images of Pillow.
            batch_size: patches in one go.
            unit: what the values are: ``raw`` for the training's, ``dn`` for 10,000 times the reflectance,
                ``reflectance`` for 0 to 1; None leaves it to dtype and range.
            stretch: values of 10,000 times the reflectance that were 0 and 255 in the training's 8-bit images.
            error_rate: share of the sets of classes that may lack the truth; None for no sets.
            min_familiarity: patches below it are called "unfamiliar".

        Raises:
            UserError: for another number of bands, NaN or infinite values, values that are plainly in another unit
                than the training data's, files that cannot be used, and wishes that the checkpoint's statistics do not
                allow.
        """
        raw = as_patches(images, self.bands)
        if batch_size < 1:
            raise UserError(f"predict: batch_size must be at least 1, got {batch_size}.")
        self.check_wishes(error_rate, min_familiarity)
        self.input_check.begin(unit, stretch)
        with evaluating(self), torch.inference_mode():
            batches = (self.input_check(batch).to(self.device) for batch in torch.split(raw, batch_size))
            parts, known = zip(*map(self.examine, batches), strict=True)
            logits = torch.cat(parts)
            probabilities = self.postprocessing.probabilities(logits)
            names, confidence = self.postprocessing.decide(probabilities)
            familiarity = None if self.evidence is None else torch.cat(known)  # type: ignore[arg-type]
            sets = None if error_rate is None else self._sets(self.expected(logits), error_rate)
        return Predictions(
            _named(names, familiarity, min_familiarity), confidence.cpu().numpy(), probabilities.cpu().numpy(),
            None if familiarity is None else familiarity.cpu().numpy(), sets,
        )  # fmt: skip

    def _sets(self, expected: Tensor, error_rate: float) -> list[list[str]]:
        assert self.evidence is not None
        rows = self.evidence.of_views(self.test_time_augmentation).sets(expected, error_rate).tolist()
        return [[name for name, there in zip(self.class_names, row, strict=True) if there] for row in rows]

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return class probabilities ``[B, K]`` in float32; with statistics a further column, the familiarity."""
        logits, familiarity = self.examine(self.checked(batch).image)
        return self.with_familiarity(self.postprocessing.probabilities(logits), familiarity)

    @staticmethod
    def with_familiarity(probabilities: Tensor, familiarity: Tensor | None) -> Tensor:
        """Return what :meth:`prediction_rows` takes: probabilities ``[B, K]``, and familiarity ``[B]`` behind them."""
        return probabilities if familiarity is None else torch.cat([probabilities, familiarity[:, None]], dim=1)

    def prediction_columns(self) -> list[str]:
        """Names of the columns that :meth:`prediction_rows` fills."""
        more = [] if self.evidence is None else ["familiarity"]
        return ["predicted", "confidence", *self.class_names, *more, *([] if self.error_rate is None else ["set"])]

    def prediction_rows(self, found: Tensor) -> list[list[str]]:
        """Write what ``predict_step`` returned as a row for each patch."""
        count = len(self.class_names)
        probabilities, familiarity = found[:, :count], found[:, count] if found.shape[1] > count else None
        names, confidence = self.postprocessing.decide(probabilities)
        numbers = torch.cat([confidence[:, None], found], dim=1).tolist()
        rows = [[*(f"{number:.6f}" for number in row)] for row in numbers]
        rows = [[name, *row] for name, row in zip(_named(names, familiarity, self.min_familiarity), rows, strict=True)]
        if self.error_rate is None:
            return rows
        sets = self._sets(self._tempered(probabilities), self.error_rate)
        return [[*row, "|".join(names)] for row, names in zip(rows, sets, strict=True)]

    def _tempered(self, probabilities: Tensor) -> Tensor:
        """Bring probabilities ``[B, K]`` of one class of several to the temperature, if they are not."""
        if self.calibrate:
            return probabilities
        # Logarithms of probabilities are logits but for a constant, which the softmax takes away again.
        temperature = self.answering_temperature.double().to(probabilities.device)
        return (probabilities.double().log() / temperature).softmax(1).float()


def _named(names: list[str], familiarity: Tensor | None, least: float | None) -> list[str]:
    if familiarity is None or least is None:
        return names
    return [UNFAMILIAR if p < least else name for name, p in zip(names, familiarity.tolist(), strict=True)]
