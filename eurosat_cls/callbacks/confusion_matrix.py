"""A picture of which classes are taken for which."""

from lightning.pytorch import Trainer

from eurosat_cls.callbacks.picture import Picture, Stage, save_picture
from eurosat_cls.classifier import Classifier
from eurosat_cls.outcomes import Outcome


class ConfusionMatrix(Picture):
    """Draw ``confusion_matrix_val.png`` at the end of a training, ``confusion_matrix_test.png`` after a test.

    Cells hold counts and the share of their true class.

    Args:
        every_n_epochs: as for every :class:`~eurosat_cls.callbacks.picture.Picture`.
    """

    def __init__(self, every_n_epochs: int | None = None) -> None:
        super().__init__(every_n_epochs)

    def draw(self, trainer: Trainer, module: Classifier, stage: Stage, outcome: Outcome) -> None:
        """Draw the counts of the outcome."""
        from eurosat_cls.pictures.confusion import draw_confusion

        matrix = module.count_confusion(outcome).cpu().numpy()
        note = f"{stage}, {len(outcome.rows):,} patches"
        save_picture(trainer, f"confusion_matrix_{stage}", draw_confusion(matrix, module.class_names, note))
