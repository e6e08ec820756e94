"""Where on Earth the network is wrong."""

import numpy as np
from lightning.pytorch import Trainer

from eurosat_cls.analysis.places import find_places
from eurosat_cls.callbacks.pictures.base import PlotCallback, Stage, save_picture
from eurosat_cls.callbacks.pictures.patches import decide, describe_errors, patches_of
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.predictions import EpochOutputs


class Locations(PlotCallback):
    """Draw ``locations_<stage>.png``: where the parts of the split lie, and where the errors are.

    The blocks of a spatial split are drawn below its patches. Patches whose files hold no place, such as JPEG and PNG,
    are left out; where none has one there is no picture.
    """

    def draw(self, trainer: Trainer, module: Classifier, stage: Stage, epoch_outputs: EpochOutputs) -> None:
        """Draw the places of all patches, and those of the errors."""
        data = patches_of(trainer)
        if (places := find_places(data)) is None:
            return
        from eurosat_cls.analysis.plots.places import draw_places

        decisions = decide(module, epoch_outputs)
        wrong = np.unique(decisions.indices[decisions.place[decisions.wrong]])
        right = np.setdiff1d(decisions.indices, wrong)
        note = f"{describe_errors(decisions, stage)}; split: {data.split.method}"
        save_picture(trainer, f"locations_{stage}", draw_places(places, wrong, right, note))
