"""How each class fares, over a training and in the end."""

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from eurosat_cls.analysis.class_scores import (
    SCORES,
    ClassScore,
    append_scores,
    counts_by_class,
    read_scores,
    score_classes,
    write_scores,
)
from eurosat_cls.analysis.ranking import rank_classes
from eurosat_cls.callbacks.pictures.base import PlotCallback, Stage, save_picture
from eurosat_cls.callbacks.pictures.patches import scored_text
from eurosat_cls.callbacks.run_folder import run_folder, tensorboards
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import writing

FILE = "class_scores.csv"
# TensorBoard sorts by name: many charts of classes come behind the few of the whole.
SCALARS, GROUP = "val_class_", "pictures_of_classes"


class ClassScores(PlotCallback):
    """Keep precision, recall, F1 and average precision of each class, and draw what is behind them.

    Every validation of a training adds a row for each class to ``class_scores.csv`` and a point to TensorBoard, under
    ``val_class_f1/<class>`` and so on. Drawn are ``class_scores.png`` (F1 over the epochs), and after the last
    validation and after a test ``precision_recall_<stage>.png``, ``roc_<stage>.png`` and ``labels_<stage>.png`` (how
    often each class is there, and how often it is predicted). A training that is continued keeps the rows of the epochs
    before.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the rows of the epochs before the one that the training goes on with."""
        path = run_folder(trainer) / FILE
        if not trainer.is_global_zero or not path.is_file():
            return
        rows = {epoch: row for epoch, row in read_scores(path).items() if epoch <= trainer.current_epoch}
        with writing(path, optional=True):
            write_scores(path, rows)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the rows of the epoch; draw when it is due."""
        fast = getattr(trainer, "fast_dev_run", False)
        if trainer.state.fn == "fit" and not trainer.sanity_checking and not fast and isinstance(pl_module, Classifier):
            epoch_outputs = pl_module.val_scores.epoch_outputs()
            if trainer.is_global_zero and len(epoch_outputs.indices):
                self._add(trainer, pl_module, epoch_outputs)
        super().on_validation_end(trainer, pl_module)

    def _add(self, trainer: Trainer, module: Classifier, epoch_outputs: EpochOutputs) -> None:
        rankings = rank_classes(module.rules, epoch_outputs.logits, epoch_outputs.target)
        matrix = module.postprocessing.confusion_matrix(epoch_outputs)
        scores = dict(zip(module.class_names, score_classes(matrix, rankings), strict=True))
        path = run_folder(trainer) / FILE
        with writing(path, optional=True):
            append_scores(path, trainer.current_epoch + 1, scores)
        for logger in tensorboards(trainer):
            _log(logger, scores, trainer.global_step)

    def draw(self, trainer: Trainer, module: Classifier, stage: Stage, epoch_outputs: EpochOutputs) -> None:
        """Draw the scores over the epochs, and the curves and labels of the epoch's outputs."""
        from eurosat_cls.analysis.plots.class_curves import draw_precision_recall, draw_roc
        from eurosat_cls.analysis.plots.label_counts import draw_label_counts

        names, binary = module.class_names, module.task == "binary"
        if stage == "val":
            self._draw_epochs(trainer, module)
        _, true, predicted = counts_by_class(module.postprocessing.confusion_matrix(epoch_outputs))
        note = f"{stage}, {scored_text(trainer, stage, len(epoch_outputs.indices))}"
        save_picture(trainer, f"labels_{stage}", draw_label_counts(true, predicted, names, note), GROUP)
        rankings = rank_classes(module.rules, epoch_outputs.logits, epoch_outputs.target)
        lost = int((~epoch_outputs.logits.isfinite().all(dim=1)).sum())
        if lost == len(epoch_outputs.indices):
            raise UserError("no patch has finite logits, so there are no curves.")
        if lost:
            note += f", {lost} without a finite logit left out"
        shown = slice(1, None) if binary else slice(None)  # the curves of both classes mirror each other
        for name, draw in (("precision_recall", draw_precision_recall), ("roc", draw_roc)):
            save_picture(trainer, f"{name}_{stage}", draw(rankings[shown], names[shown], note, binary), GROUP)

    def _draw_epochs(self, trainer: Trainer, module: Classifier) -> None:
        from eurosat_cls.analysis.plots.class_curves import draw_class_scores

        missing = ClassScore(0, *[float("nan")] * len(SCORES))
        rows = read_scores(run_folder(trainer) / FILE)
        if not rows:
            return
        epochs = sorted(rows)
        f1 = np.array([[rows[epoch].get(name, missing).f1 for name in module.class_names] for epoch in epochs])
        save_picture(trainer, "class_scores", draw_class_scores(epochs, f1, module.class_names), GROUP)


def _log(logger: TensorBoardLogger, scores: dict[str, ClassScore], step: int) -> None:
    for name, score in scores.items():
        for kind, value in zip(SCORES, score[1:], strict=True):
            if not np.isnan(value):
                logger.experiment.add_scalar(f"{SCALARS}{kind}/{name}", value, step)
