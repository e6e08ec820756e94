"""Callbacks: one picture or one behaviour per file."""

from eurosat_cls.callbacks.averaging import WeightAverage
from eurosat_cls.callbacks.batch_picture import BatchPicture
from eurosat_cls.callbacks.checkpoints import Checkpoints
from eurosat_cls.callbacks.encoder_export import EncoderExport
from eurosat_cls.callbacks.freeze import Freeze
from eurosat_cls.callbacks.guard import StopOnNonFiniteLoss
from eurosat_cls.callbacks.predictions import PredictionWriter
from eurosat_cls.callbacks.progress import EpochSummary
from eurosat_cls.callbacks.reconstructions import Reconstructions
from eurosat_cls.callbacks.record import RunRecord
from eurosat_cls.callbacks.report import Report

__all__ = [
    "BatchPicture",
    "Checkpoints",
    "EncoderExport",
    "EpochSummary",
    "Freeze",
    "PredictionWriter",
    "Reconstructions",
    "Report",
    "RunRecord",
    "StopOnNonFiniteLoss",
    "WeightAverage",
]
