"""A picture of what the network sees."""

from collections.abc import Sequence

from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls.analysis.plots.batch import draw_batch
from eurosat_cls.callbacks.run_folder import tensorboards
from eurosat_cls.data.batch import Batch


class BatchPicture(Callback):
    """Log the first training batch of a run to TensorBoard, as it is after augmentation, as ``train/batch``.

    It costs some hundredths of a second, once; a run that is continued, or has no TensorBoard, pays nothing.
    """

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Draw the patches with their labels, or the shares of them where patches are mixed.

        A model that knows no classes gets no labels.
        """
        if trainer.global_step or batch_idx or not trainer.is_global_zero:
            return
        loggers = tensorboards(trainer)
        if not loggers:
            return
        names: Sequence[str] | None = getattr(pl_module, "class_names", None)
        bands: Sequence[str] = pl_module.bands  # type: ignore[assignment]
        images, targets = (values.cpu().numpy() for values in (batch.image, batch.target))
        picture = draw_batch(images, targets, names, bands, getattr(pl_module, "task", None) == "multilabel")
        for logger in loggers:
            logger.experiment.add_image("train/batch", picture, dataformats="HWC")
