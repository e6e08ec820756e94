"""The patches that a callback shows, and the same as its network sees them."""

from typing import NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from eurosat_cls.analysis.hard_examples import Decisions, HardExamples, decisions_of, find_hard_examples
from eurosat_cls.callbacks.pictures.base import PlotCallback
from eurosat_cls.data.module import PatchDataModule, require_patches
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.utils.errors import UserError

MOST_PATCHES = 60


def patches_of(trainer: Trainer) -> PatchDataModule:
    """Return the data of a run.

    Raises:
        UserError: where there are none, or others than patches.
    """
    return require_patches(getattr(trainer, "datamodule", None), "it")


def scored_text(trainer: Trainer, stage: str, count: int) -> str:
    """Say how many patches were scored, and of how many where a limit left some out."""
    of = patches_of(trainer).scored(stage)[1] if stage in ("val", "test") else count  # type: ignore[arg-type]
    return f"{count:,} of {of:,} patches" if count < of else f"{count:,} patches"


def normalised(module: LightningModule, patches: np.ndarray) -> Tensor:
    """Return raw patches ``[n, C, H, W]`` as the module hands them to its encoder, on its device."""
    image = torch.from_numpy(patches).to(module.device)
    normalised: Tensor = module.normalize(image)  # type: ignore[operator]
    return normalised


class HardPatches(NamedTuple):
    """The patches that a classifier found hardest.

    Attributes:
        decisions: those of all patches.
        hardest: the cases.
        images: ``[n, C, H, W]`` raw values of the cases' patches.
        files: ``[n]`` their names.
        bands: ``[C]`` names.
    """

    decisions: Decisions
    hardest: HardExamples
    images: np.ndarray
    files: list[str]
    bands: list[str]


def decide(module: Classifier, epoch_outputs: EpochOutputs) -> Decisions:
    """Return the decisions of a validation or a test, with calibrated probabilities where the model has such."""
    logits, threshold = module.postprocessing.calibrated(epoch_outputs.logits)
    return decisions_of(module.rules, threshold, epoch_outputs._replace(logits=logits))


def hard_patches(data: PatchDataModule, decisions: Decisions, count: int) -> HardPatches:
    """Find and read the most confident errors and the least certain hits, ``count`` of each at most.

    Raises:
        UserError: where none has a probability.
    """
    hardest = find_hard_examples(decisions, count)
    indices = [case.patch for case in hardest.cases]
    return HardPatches(decisions, hardest, data.read(indices), data.files(indices), data.bands)


class HardPatchesPlot(PlotCallback):
    """Draw the most confident errors and the least certain hits.

    Args:
        every_n_epochs: as for every :class:`~eurosat_cls.callbacks.pictures.base.PlotCallback`.
        patches: how many errors to show, and how many hits; at most 60 of each.

    Raises:
        UserError: for a number of patches outside 1 to 60.
    """

    def __init__(self, every_n_epochs: int | None = None, patches: int = 12) -> None:
        super().__init__(every_n_epochs)
        if not 1 <= patches <= MOST_PATCHES:
            raise UserError(f"{type(self).__name__}: patches must be from 1 to {MOST_PATCHES}, got {patches}.")
        self.patches = patches


def describe_errors(decisions: Decisions, stage: str) -> str:
    """Say how many there are, e.g. ``"test: 123 of 5,400 patches are wrong (2.28 %)"``."""
    bad, patches = len(np.unique(decisions.place[decisions.wrong])), len(decisions.indices)
    text = f"{stage}: {bad:,} of {patches:,} patches are wrong ({100 * bad / patches:.2f} %)"
    if decisions.multilabel:
        text += f", by {decisions.wrong.sum():,} of {len(decisions.wrong):,} decisions"
    if missing := int(np.isnan(decisions.confidence).sum()):
        text += f"; {missing:,} are NaN and not shown"
    return text
