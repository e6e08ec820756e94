"""Where in the hardest patches a network found what it said of them."""

from collections.abc import Sequence

import numpy as np
import torch
from lightning.pytorch import Trainer

from eurosat_cls.analysis.explanations import NoMap, attention_of, attention_rollout, grad_cam, inspecting
from eurosat_cls.analysis.hard_examples import ClassTarget, HardExample
from eurosat_cls.callbacks.pictures.base import Stage, save_picture
from eurosat_cls.callbacks.pictures.patches import (
    HardPatches,
    HardPatchesPlot,
    decide,
    describe_errors,
    hard_patches,
    normalised,
    patches_of,
)
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.predictions import EpochOutputs


class GradCAM(HardPatchesPlot):
    """Draw ``gradcam.png``, after a training's last validation and after a test, of the patches of `Misclassified`.

    Each patch is shown with the evidence for what was said of it, and for what is true or was next likely, found by
    Grad-CAM on the encoder's map. For a transformer encoder attention rollout takes its place, which does not depend on
    the class. For other encoders whose features do not come from a map nothing is drawn, and a warning says so.

    The network sees the plain patch in float32, also where the training has another precision or the test averages
    views.

    Source: :func:`eurosat_cls.analysis.explanations.grad_cam`,
    :func:`eurosat_cls.analysis.explanations.attention_rollout`.
    """

    _without_maps = False  # found out, and said

    def draw(self, trainer: Trainer, module: Classifier, stage: Stage, epoch_outputs: EpochOutputs) -> None:
        """Explain the hardest patches and draw them."""
        if self._without_maps:
            return
        shown = hard_patches(patches_of(trainer), decide(module, epoch_outputs), self.patches)
        draw = _draw_evidence if attention_of(module.encoder) is None else _draw_rollouts
        try:
            picture = draw(module, shown, describe_errors(shown.decisions, stage))
        except NoMap:
            self._without_maps = True
            raise
        save_picture(trainer, "gradcam", picture)


def find_evidence(module: Classifier, images: np.ndarray, cases: Sequence[HardExample]) -> np.ndarray:
    """Return Grad-CAM's maps ``[n, 2, h, w]`` float32 for what was said and for the other side, of raw images.

    Raises:
        UserError: as :func:`eurosat_cls.analysis.explanations.grad_cam`.
    """
    outputs = module.rules.outputs
    said, other = ([getattr(case, name).side for case in cases] for name in ("said", "other"))
    with inspecting(module):
        targets = torch.stack([_targets(said, outputs), _targets(other, outputs)]).to(module.device)
        maps = grad_cam(module.encoder, module.decoder, normalised(module, images), targets)
        return maps.transpose(0, 1).cpu().numpy()


def _targets(sides: Sequence[ClassTarget], outputs: int) -> torch.Tensor:
    """``[n, outputs]``: the logit that decides for each side, with its sign."""
    targets = torch.zeros(len(sides), outputs)
    for row, side in enumerate(sides):
        targets[row, side.output] = side.sign
    return targets


def _draw_evidence(module: Classifier, shown: HardPatches, note: str) -> np.ndarray:
    from eurosat_cls.analysis.plots.gradcam import draw_evidence

    maps = find_evidence(module, shown.images, shown.hardest.cases)
    return draw_evidence(shown.images, shown.hardest, maps, shown.files, shown.bands, note)


def _draw_rollouts(module: Classifier, shown: HardPatches, note: str) -> np.ndarray:
    from eurosat_cls.analysis.plots.gradcam import draw_rollouts

    with inspecting(module):
        maps = attention_rollout(module.encoder, normalised(module, shown.images)).cpu().numpy()
    return draw_rollouts(shown.images, shown.hardest, maps, shown.files, shown.bands, note)
