"""The classes that a config may call by their short names: the parser finds those that have been imported."""

from eurosat_cls.callbacks import (
    AttentionMaps,
    Calibration,
    ClassScores,
    ConfusionMatrix,
    Freeze,
    GradCAM,
    LearningCurves,
    Misclassified,
    Projector,
    StopAtTarget,
    WeightAverage,
)
from eurosat_cls.checkpoints.weights import Weights
from eurosat_cls.cli.commands import OTHERS
from eurosat_cls.config.vocabulary import Vocabulary
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
from eurosat_cls.decoders import (
    MLP,
    AttentionPooling,
    ConvolutionalReconstruction,
    Identity,
    LinearHead,
    LinearReconstruction,
    MulticlassClassification,
)
from eurosat_cls.embeddings import (
    LearnedPositions,
    PatchBandsEncoding,
    PixelEncoding,
    PositionalEncoding,
    PositionalEncoding2d,
)
from eurosat_cls.encoders import Exchanger, ResNet, TimmBackbone, TorchvisionBackbone, Transformer
from eurosat_cls.losses import FocalLoss, GaussianReconstruction, SigmoidFocalLoss
from eurosat_cls.models.autoencoder import AutoEncoder
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.masking import BandMasking, CellMasking

MODELS = (AutoEncoder, Classifier)
ENCODERS = (Exchanger, ResNet, TimmBackbone, TorchvisionBackbone, Transformer)
EMBEDDINGS = (LearnedPositions, PatchBandsEncoding, PixelEncoding, PositionalEncoding, PositionalEncoding2d)
DECODERS = (
    MLP, AttentionPooling, ConvolutionalReconstruction, Identity, LinearHead, LinearReconstruction,
    MulticlassClassification,
)  # fmt: skip
LOSSES = (FocalLoss, GaussianReconstruction, SigmoidFocalLoss)
TRAINING = (BandMasking, CellMasking, Freeze, StopAtTarget, WeightAverage, Weights)
DATA = (CIFAR10, Demo, EuroSAT, ImageFolder, Table)
SPLITS = (OfficialSplit, RandomSplit, SpatialSplit, SplitLists)
AUGMENTATIONS = (
    BandDropout, BandJitter, Blur, BrightnessContrast, Crop, CutMix, Cutout, Dihedral, Flip, Mixup, Noise, Shift,
)  # fmt: skip
PICTURES = (
    AttentionMaps, Calibration, ClassScores, ConfusionMatrix, GradCAM, LearningCurves, Misclassified, Projector,
)  # fmt: skip
SHORT_NAMES = (
    *MODELS, *ENCODERS, *EMBEDDINGS, *DECODERS, *LOSSES, *TRAINING, *DATA, *SPLITS, *AUGMENTATIONS, *PICTURES,
)  # fmt: skip

VOCABULARY = Vocabulary(SHORT_NAMES, LOSSES, tuple(OTHERS))
