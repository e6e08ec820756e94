"""Evaluate and predict from Python: as ``test`` and ``predict`` do, in memory, and nothing is written."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from eurosat_cls import callbacks
from eurosat_cls.analysis.class_scores import plain_scores
from eurosat_cls.callbacks.pictures.base import PlotCallback
from eurosat_cls.cli.log_filter import quieten
from eurosat_cls.data.arrays import Arrays
from eurosat_cls.data.files.patches import as_patches
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.data.unit import UnitName
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.loading import load
from eurosat_cls.models.predictions import EpochOutputs, Predictions
from eurosat_cls.training.trainer import Trainer
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import did_you_mean, nearest

if TYPE_CHECKING:  # matplotlib is loaded when something is drawn
    from matplotlib.figure import Figure

QUIET = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
PICTURES = ("ConfusionMatrix", "ClassScores", "Calibration", "Misclassified", "GradCAM")


@dataclass(frozen=True)
class Evaluation:
    """How a classifier fares on ``N`` labelled patches.

    Attributes:
        metrics: by the names that they are logged by, such as ``test/accuracy``.
        true: ``[N]`` what each patch is; several labels are joined by ``|``.
        predictions: what the model says of each.
        files: ``[N]`` what each patch is called; of arrays its number.
        per_class: by class, the number of its patches, precision, recall and F1.
        confusion_matrix: ``[K, K]`` counts, true classes in rows; ``[K, 2, 2]`` where a patch may have several labels.
    """

    metrics: dict[str, float]
    true: list[str]
    predictions: Predictions
    files: list[str]
    per_class: dict[str, dict[str, float | None]]
    confusion_matrix: np.ndarray
    _model: Classifier
    _trainer: Trainer
    _part: Literal["val", "test"]
    _outputs: EpochOutputs

    def figures(self, *pictures: PlotCallback | str) -> "dict[str, Figure]":
        """Draw pictures, as ``test`` does into its run folder.

        Args:
            pictures: of :mod:`eurosat_cls.callbacks`, by name or built with settings; by default the usual ones.

        Returns:
            Figures by the names of the files, such as ``confusion_matrix_test``.

        Raises:
            UserError: for what is no picture, and for one that was asked for and cannot be drawn.
        """
        found: dict[str, Figure] = {}
        self._trainer.figures = found
        with TemporaryDirectory() as folder:
            self._trainer.run_folder = Path(folder)  # tables that pictures write, too
            for picture in pictures or PICTURES:
                try:
                    _picture(picture).draw(self._trainer, self._model, self._part, self._outputs)
                except UserError as error:
                    if pictures:
                        raise
                    warnings.warn(f"{picture}: {error}", stacklevel=2)
        return found


def evaluate(
    model: Classifier | str | Path,
    data: PatchDataModule | Tensor | np.ndarray | Sequence[Any],
    labels: Sequence[Any] | None = None,
    *,
    part: Literal["val", "test"] = "test",
    unit: UnitName | None = None,
    stretch: Sequence[float] | None = None,
) -> Evaluation:
    """Evaluate a classifier, in float32, on a part of a data module or on labelled patches.

    Args:
        model: a trained model, or the path of its run folder or checkpoint.
        data: a data module; or patches as :meth:`Classifier.predict` takes them.
        labels: of patches: ``[N]`` names or positions of classes; where a patch may have several, ``[N]`` collections
            of names, or ``[N, K]`` of 0 and 1.
        part: of a data module, which patches.
        unit: as in :meth:`Classifier.predict`.
        stretch: likewise.

    Raises:
        UserError: for labels that do not fit patches or model, and for patches that the model refuses.

    Example:
        >>> from eurosat_cls.encoders import ResNet
        >>> model = Classifier(lambda c: ResNet(c, (8, 8), (1, 1)), ["Forest", "River"], ["B04"])
        >>> found = evaluate(model, np.zeros((3, 1, 16, 16), np.uint8), ["River", "River", "Forest"])
        >>> found.confusion_matrix.sum(axis=1), sorted(found.metrics)
        (array([1, 2]), ['test/accuracy', 'test/loss', 'test/macro_f1'])
    """
    classifier = _loaded(model)
    if not isinstance(data, PatchDataModule):
        if labels is None:
            raise UserError("evaluate: patches need labels; predict goes without.")
        images = as_patches(data, classifier.bands).cpu().numpy()
        if not isinstance(labels, Iterable):
            raise UserError(f"labels: expected one for each patch, got {type(labels).__name__}.")
        data = Arrays(images, list(labels), classifier.class_names, classifier.bands, classifier.task)
        part = "test"
    elif labels is not None:
        raise UserError("evaluate: a data module has labels of its own.")
    _check_classes(classifier, data)
    trainer = _trainer()
    classifier.input_check.begin(unit, stretch)
    run = trainer.test if part == "test" else trainer.validate
    run(classifier, datamodule=data, verbose=False)
    scores = classifier.test_scores if part == "test" else classifier.val_scores
    outputs, after = _on_cpu(scores.epoch_outputs()), classifier.postprocessing
    matrix = after.confusion_matrix(outputs)
    return Evaluation(
        metrics={name: float(value) for name, value in sorted(trainer.callback_metrics.items())},
        true=classifier.rules.names_of(outputs.target),
        predictions=_predictions(classifier, after.probabilities(outputs.logits), outputs.familiarity),
        files=data.files(outputs.indices.tolist()),
        per_class=plain_scores(matrix, classifier.class_names),
        confusion_matrix=matrix.cpu().numpy(),
        _model=classifier,
        _trainer=trainer,
        _part=part,
        _outputs=outputs,
    )


def predict(
    model: Classifier | str | Path,
    data: PatchDataModule | Tensor | np.ndarray | Sequence[Any],
    *,
    batch_size: int = 256,
    unit: UnitName | None = None,
    stretch: Sequence[float] | None = None,
) -> Predictions:
    """Predict, in float32, what patches are.

    Args:
        model: a trained model, or the path of its run folder or checkpoint.
        data: patches as :meth:`Classifier.predict` takes them; or a data module, of which those of its
            ``predict_split`` are meant, in batches of its own size.
        batch_size: patches in one go.
        unit: as in :meth:`Classifier.predict`.
        stretch: likewise.

    Raises:
        UserError: as :meth:`Classifier.predict`.

    Example:
        >>> from eurosat_cls.encoders import ResNet
        >>> model = Classifier(lambda c: ResNet(c, (8, 8), (1, 1)), ["Forest", "River"], ["B04"])
        >>> predict(model, np.zeros((3, 1, 16, 16), np.uint8)).probabilities.shape
        (3, 2)
    """
    classifier = _loaded(model)
    if not isinstance(data, PatchDataModule):
        return classifier.predict(data, batch_size, unit, stretch)
    classifier.input_check.begin(unit, stretch)
    batches: Any = _trainer().predict(classifier, datamodule=data)
    found, classes = torch.cat(batches).cpu(), len(classifier.class_names)
    return _predictions(classifier, found[:, :classes], found[:, classes] if found.shape[1] > classes else None)


def _loaded(model: Classifier | str | Path) -> Classifier:
    if not isinstance(model, (Classifier, str, Path)):
        raise UserError(
            f"expected a Classifier, or the path of a run folder or checkpoint, got {type(model).__name__}."
        )
    return model if isinstance(model, Classifier) else load(model)


def _check_classes(model: Classifier, data: PatchDataModule) -> None:
    if data.class_names != model.class_names or data.bands != model.bands:
        what = "bands" if data.class_names == model.class_names else "class_names"
        ours, theirs = (", ".join(getattr(each, what)) for each in (model, data))
        raise UserError(f"evaluate: the {what} of the model are {ours}; those of the data are {theirs}.")


def _trainer() -> Trainer:
    """A trainer that looks and says nothing of it."""
    quieten()
    quiet: dict[str, Any] = dict.fromkeys(QUIET, False)
    return Trainer(devices=1, precision="32-true", **quiet)


def _on_cpu(outputs: EpochOutputs) -> EpochOutputs:
    known = None if outputs.familiarity is None else outputs.familiarity.cpu()
    return EpochOutputs(outputs.logits.cpu(), outputs.target.cpu(), outputs.indices.cpu(), known)


def _predictions(model: Classifier, probabilities: Tensor, familiarity: Tensor | None) -> Predictions:
    names, confidence = model.postprocessing.decide(probabilities)
    known = None if familiarity is None else familiarity.numpy()
    return Predictions(names, confidence.numpy(), probabilities.numpy(), known)


def _picture(picture: PlotCallback | str) -> PlotCallback:
    if isinstance(picture, PlotCallback):
        return picture
    known = [name for name in callbacks.__all__ if _is_picture(getattr(callbacks, name))]
    if picture not in known:
        near = did_you_mean(nearest(str(picture), known)) or f" There are {', '.join(known)}."
        raise UserError(f"figures: there is no picture {picture!r}.{near}")
    made: PlotCallback = getattr(callbacks, picture)()
    return made


def _is_picture(cls: type) -> bool:
    return issubclass(cls, PlotCallback)
