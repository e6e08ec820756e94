"""Callbacks: one picture or one behaviour per file."""

from eurosat_cls.callbacks.averaging import WeightAverage
from eurosat_cls.callbacks.checkpoints import Checkpoints
from eurosat_cls.callbacks.encoder_export import EncoderExport
from eurosat_cls.callbacks.evidence import KeepEvidence
from eurosat_cls.callbacks.falling_rate import FallingRate
from eurosat_cls.callbacks.finders.batch_size import BatchSizeFinder
from eurosat_cls.callbacks.finders.learning_rate import LearningRateFinder
from eurosat_cls.callbacks.freeze import Freeze
from eurosat_cls.callbacks.nonfinite_loss import StopOnNonFiniteLoss
from eurosat_cls.callbacks.pictures.attention import AttentionMaps
from eurosat_cls.callbacks.pictures.batch import BatchPicture
from eurosat_cls.callbacks.pictures.calibration import Calibration
from eurosat_cls.callbacks.pictures.class_scores import ClassScores
from eurosat_cls.callbacks.pictures.confusion_matrix import ConfusionMatrix
from eurosat_cls.callbacks.pictures.coverage import AccuracyOverCoverage
from eurosat_cls.callbacks.pictures.curves import LearningCurves
from eurosat_cls.callbacks.pictures.gradcam import GradCAM
from eurosat_cls.callbacks.pictures.locations import Locations
from eurosat_cls.callbacks.pictures.misclassified import Misclassified
from eurosat_cls.callbacks.pictures.projector import Projector
from eurosat_cls.callbacks.pictures.reconstructions import Reconstructions
from eurosat_cls.callbacks.predictions import PredictionWriter
from eurosat_cls.callbacks.progress import EpochBar, EpochSummary
from eurosat_cls.callbacks.run_metadata import RunMetadata
from eurosat_cls.callbacks.scores import TestReport, TestScores
from eurosat_cls.callbacks.stop import StopAtTarget, StopRecord
from eurosat_cls.callbacks.tensorboard import TensorBoardText

__all__ = [
    "AccuracyOverCoverage",
    "AttentionMaps",
    "BatchPicture",
    "BatchSizeFinder",
    "Calibration",
    "Checkpoints",
    "ClassScores",
    "ConfusionMatrix",
    "EpochBar",
    "EncoderExport",
    "EpochSummary",
    "FallingRate",
    "Freeze",
    "GradCAM",
    "KeepEvidence",
    "LearningCurves",
    "LearningRateFinder",
    "Locations",
    "Misclassified",
    "PredictionWriter",
    "Projector",
    "Reconstructions",
    "TestScores",
    "RunMetadata",
    "TestReport",
    "StopAtTarget",
    "StopOnNonFiniteLoss",
    "StopRecord",
    "TensorBoardText",
    "WeightAverage",
]
