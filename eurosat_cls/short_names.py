"""The classes that a config may call by their short names: the parser finds those that have been imported."""

from eurosat_cls.callbacks import Calibration, ClassScores, ConfusionMatrix, Projector
from eurosat_cls.classifier import Classifier
from eurosat_cls.data.augment import (
    BandDropout,
    BandJitter,
    Blur,
    BrightnessContrast,
    Crop,
    CutMix,
    Cutout,
    Dihedral,
    Flip,
    Mixup,
    Noise,
    Shift,
)
from eurosat_cls.data.cifar10 import CIFAR10
from eurosat_cls.data.demo import Demo
from eurosat_cls.data.eurosat import EuroSAT
from eurosat_cls.data.image_folder import ImageFolder
from eurosat_cls.data.splits import OfficialSplit, RandomSplit, SpatialSplit, SplitLists
from eurosat_cls.data.table import Table
from eurosat_cls.decoders import LinearHead
from eurosat_cls.encoders import ResNet
from eurosat_cls.losses import FocalLoss, SigmoidFocalLoss

MODELS = (Classifier, LinearHead, ResNet)
LOSSES = (FocalLoss, SigmoidFocalLoss)
DATA = (CIFAR10, Demo, EuroSAT, ImageFolder, Table)
SPLITS = (OfficialSplit, RandomSplit, SpatialSplit, SplitLists)
AUGMENTATIONS = (
    BandDropout, BandJitter, Blur, BrightnessContrast, Crop, CutMix, Cutout, Dihedral, Flip, Mixup, Noise, Shift,
)  # fmt: skip
PICTURES = (Calibration, ClassScores, ConfusionMatrix, Projector)
SHORT_NAMES = (*MODELS, *LOSSES, *DATA, *SPLITS, *AUGMENTATIONS, *PICTURES)
