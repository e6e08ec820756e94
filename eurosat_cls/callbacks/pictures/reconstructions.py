"""Pictures of what an autoencoder restores."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from eurosat_cls.analysis.plots.reconstructions import draw_reconstructions
from eurosat_cls.callbacks.run_folder import tensorboards
from eurosat_cls.data.batch import Batch
from eurosat_cls.models.autoencoder import EVALUATION, MASKING, AutoEncoder
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.seeds import generator_for


class Reconstructions(Callback):
    """Log some validation patches, masked and restored, to TensorBoard as ``val/reconstructions`` after validations.

    They are spread evenly over the validation part, and stay the same, as do their masks, in every epoch.

    Args:
        patches: how many.

    Raises:
        UserError: for less than one patch; when training starts, for a model that is no AutoEncoder.
    """

    def __init__(self, patches: int = 8) -> None:
        if patches < 1:
            raise UserError(f"Reconstructions: patches must be at least 1, got {patches}.")
        self.patches = patches
        self._images: Tensor | None = None
        self._collected: list[Tensor] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse models that restore nothing."""
        if not isinstance(pl_module, AutoEncoder):
            raise UserError(f"Reconstructions: draws what an AutoEncoder restores, not a {type(pl_module).__name__}.")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget patches of a validation that did not reach its end."""
        self._collected = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect patches in the first whole validation."""
        if self._images is None and _draws(trainer):
            batches = int(trainer.num_val_batches[0])
            self._collected.append(_spread(batch.image, -(-self.patches // batches)).cpu())

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore and draw them."""
        if not _draws(trainer):
            return
        if self._images is None:
            self._images = _spread(torch.cat(self._collected), self.patches)
            self._collected = []
        picture = _draw(trainer, pl_module, self._images.to(pl_module.device))  # type: ignore[arg-type]
        for logger in tensorboards(trainer):
            logger.experiment.add_image("val/reconstructions", picture, trainer.global_step, dataformats="HWC")


def _draws(trainer: Trainer) -> bool:
    quiet = trainer.sanity_checking or trainer.state.fn != "fit" or not trainer.is_global_zero
    return not quiet and bool(tensorboards(trainer))


def _spread(images: Tensor, count: int) -> Tensor:
    """Choose so many evenly spread ones of ``[n, C, H, W]``."""
    places = torch.linspace(0, len(images) - 1, min(count, len(images))).round().long()
    return images[places.to(images.device)]


def _draw(trainer: Trainer, model: AutoEncoder, images: Tensor) -> object:
    with torch.no_grad(), trainer.precision_plugin.val_step_context():
        seen = model.restore(images, generator_for(MASKING, EVALUATION))
        errors = model.errors(seen)
    values = (seen.original, seen.masked, seen.reconstruction)
    original, masked, restored = (model.normalize.invert(part).cpu().numpy() for part in values)
    return draw_reconstructions(original, masked, restored, seen.mask.cpu().numpy(), model.bands, errors.tolist())
