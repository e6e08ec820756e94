"""The classes that a config may call by their short names: the parser finds those that have been imported."""

import inspect
from types import ModuleType
from typing import Any

from torch import nn

from eurosat_cls import data, decoders, embeddings, encoders
from eurosat_cls.callbacks import (
    AccuracyOverCoverage,
    AttentionMaps,
    BatchPicture,
    Calibration,
    ClassScores,
    ConfusionMatrix,
    Freeze,
    GradCAM,
    LearningCurves,
    Locations,
    Misclassified,
    Projector,
    StopAtTarget,
    WeightAverage,
)
from eurosat_cls.checkpoints.weights import Weights
from eurosat_cls.cli.commands import OTHERS
from eurosat_cls.cli.first_options import OPTIONS_MEANT
from eurosat_cls.config.vocabulary import Vocabulary
from eurosat_cls.data import augment, splits
from eurosat_cls.losses import FocalLoss, GaussianReconstruction, SigmoidFocalLoss
from eurosat_cls.models.autoencoder import AutoEncoder
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.masking import BandMasking, CellMasking


def _public(package: ModuleType, base: type) -> tuple[Any, ...]:
    """The classes made from ``base`` that a package offers, without abstract ones."""
    found = (getattr(package, name) for name in package.__all__)
    return tuple(cls for cls in found if inspect.isclass(cls) and issubclass(cls, base) and not inspect.isabstract(cls))


MODELS = (AutoEncoder, Classifier)
ENCODERS, DECODERS, EMBEDDINGS = (_public(package, nn.Module) for package in (encoders, decoders, embeddings))
LOSSES = (FocalLoss, GaussianReconstruction, SigmoidFocalLoss)
TRAINING = (BandMasking, CellMasking, Freeze, StopAtTarget, WeightAverage, Weights)
DATA = tuple(cls for cls in _public(data, data.PatchDataModule) if cls is not data.ImageFiles)  # those are for predict
SPLITS, AUGMENTATIONS = _public(splits, splits.SplitMethod), _public(augment, augment.Augmentation)
PICTURES = (
    AccuracyOverCoverage, AttentionMaps, BatchPicture, Calibration, ClassScores, ConfusionMatrix, GradCAM,
    LearningCurves, Misclassified, Locations, Projector,
)  # fmt: skip
SHORT_NAMES = (
    *MODELS, *ENCODERS, *EMBEDDINGS, *DECODERS, *LOSSES, *TRAINING, *DATA, *SPLITS, *AUGMENTATIONS, *PICTURES,
)  # fmt: skip

VOCABULARY = Vocabulary(SHORT_NAMES, LOSSES, tuple(OTHERS), OPTIONS_MEANT)
