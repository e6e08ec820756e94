"""A picture of which classes are taken for which."""

import warnings

from lightning.pytorch import LightningModule, Trainer

from eurosat_cls.callbacks.pictures.base import PlotCallback, Stage, save_picture
from eurosat_cls.callbacks.pictures.inference import outputs_over
from eurosat_cls.callbacks.pictures.patches import patches_of, scored_text
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.utils.errors import UserError


class ConfusionMatrix(PlotCallback):
    """Draw ``confusion_matrix_val.png`` at the end of a training, ``confusion_matrix_test.png`` after a test.

    Cells hold counts and the share of their true class.

    Args:
        every_n_epochs: as for every :class:`~eurosat_cls.callbacks.pictures.base.PlotCallback`.
        train: at the end of a training, also run the network as it is then over all training patches, without
            augmentation, and draw ``confusion_matrix_train.png``. That takes about a third of an epoch, once.
    """

    def __init__(self, every_n_epochs: int | None = None, train: bool = False) -> None:
        super().__init__(every_n_epochs)
        self.train = train

    def draw(self, trainer: Trainer, module: Classifier, stage: Stage, epoch_outputs: EpochOutputs) -> None:
        """Draw the counts of the epoch's outputs."""
        _draw(trainer, module, stage, epoch_outputs, "")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the last validation, and the training patches where they are asked for."""
        super().on_train_end(trainer, pl_module)
        fast = getattr(trainer, "fast_dev_run", False)
        if not self.train or fast or not trainer.is_global_zero or not isinstance(pl_module, Classifier):
            return
        try:
            epoch_outputs = outputs_over(trainer, pl_module, patches_of(trainer).split.train)
            _draw(trainer, pl_module, "train", epoch_outputs, ", after the last epoch, without augmentation")
        except UserError as error:
            warnings.warn(f"ConfusionMatrix: {error}", stacklevel=2)


def _draw(trainer: Trainer, module: Classifier, stage: str, epoch_outputs: EpochOutputs, remark: str) -> None:
    from eurosat_cls.analysis.plots.confusion import draw_confusion

    matrix = module.postprocessing.confusion_matrix(epoch_outputs).cpu().numpy()
    note = f"{stage}, {scored_text(trainer, stage, len(epoch_outputs.indices))}{remark}"
    save_picture(trainer, f"confusion_matrix_{stage}", draw_confusion(matrix, module.class_names, note))
