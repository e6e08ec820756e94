"""Callbacks: one picture or one behaviour per file."""

from eurosat_cls.callbacks.attention import AttentionMaps
from eurosat_cls.callbacks.averaging import WeightAverage
from eurosat_cls.callbacks.batch_picture import BatchPicture
from eurosat_cls.callbacks.checkpoints import Checkpoints
from eurosat_cls.callbacks.confusion_matrix import ConfusionMatrix
from eurosat_cls.callbacks.curves import LearningCurves
from eurosat_cls.callbacks.freeze import Freeze
from eurosat_cls.callbacks.gradcam import GradCAM
from eurosat_cls.callbacks.guard import StopOnNonFiniteLoss
from eurosat_cls.callbacks.misclassified import Misclassified
from eurosat_cls.callbacks.predictions import PredictionWriter
from eurosat_cls.callbacks.progress import EpochSummary
from eurosat_cls.callbacks.record import RunRecord
from eurosat_cls.callbacks.report import Report
from eurosat_cls.callbacks.run_report import RunReport

__all__ = [
    "AttentionMaps",
    "BatchPicture",
    "Checkpoints",
    "ConfusionMatrix",
    "EpochSummary",
    "Freeze",
    "GradCAM",
    "LearningCurves",
    "Misclassified",
    "PredictionWriter",
    "Report",
    "RunRecord",
    "RunReport",
    "StopOnNonFiniteLoss",
    "WeightAverage",
]
