"""Where a transformer encoder looks, layer by layer, as it learns."""

import warnings

from lightning.pytorch import Callback, LightningModule, Trainer

from eurosat_cls.analysis.explanations import attention_of, attention_received, inspecting
from eurosat_cls.analysis.plots.patches import choose_patches
from eurosat_cls.callbacks.pictures.base import save_picture
from eurosat_cls.callbacks.pictures.patches import normalised, patches_of
from eurosat_cls.models.base import PatchModule
from eurosat_cls.utils.errors import UserError


class AttentionMaps(Callback):
    """Draw ``attention_maps.png`` at epochs 1, 11, 21 and so on: a patch of each class, and each layer's attention.

    The patch is the first one of its class in the validation data, so that the pictures of a training compare. A map
    shows how much attention each cell gets, averaged over heads and over the cells that it comes from. The file is
    written anew each time; TensorBoard keeps them all. For an encoder without attention a warning says so at the start.

    Args:
        every_n_epochs: epochs from one picture to the next; the first is that of epoch 1.

    Raises:
        UserError: for a number of epochs below 1.
    """

    def __init__(self, every_n_epochs: int = 10) -> None:
        if every_n_epochs < 1:
            raise UserError(f"AttentionMaps: every_n_epochs must be at least 1, got {every_n_epochs}.")
        self.every_n_epochs = every_n_epochs

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say so where nothing will be drawn."""
        if trainer.is_global_zero and not _has_attention(pl_module):
            name = type(getattr(pl_module, "encoder", pl_module)).__name__
            warnings.warn(f"AttentionMaps: {name} has no attention maps, so none are drawn", stacklevel=2)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw when it is due."""
        due = trainer.current_epoch % self.every_n_epochs == 0
        if not due or not trainer.is_global_zero or not _has_attention(pl_module):
            return
        try:
            self._draw(trainer, pl_module)  # type: ignore[arg-type]
        except UserError as error:
            warnings.warn(f"AttentionMaps: {error}", stacklevel=2)

    def _draw(self, trainer: Trainer, module: PatchModule) -> None:
        from eurosat_cls.analysis.plots.attention import draw_attention

        data = patches_of(trainer)
        chosen = choose_patches(data.store.labels, data.split.val, len(data.class_names))
        if not chosen:
            raise UserError("there are no validation patches.")
        images = data.read([indices[0] for _, indices in chosen])
        with inspecting(module):
            maps = attention_received(module.encoder, normalised(module, images)).cpu().numpy()
        names = [data.class_names[k] for k, _ in chosen]
        picture = draw_attention(images, maps, names, data.bands, f"epoch {trainer.current_epoch + 1}")
        save_picture(trainer, "attention_maps", picture)


def _has_attention(module: LightningModule) -> bool:
    return isinstance(module, PatchModule) and attention_of(module.encoder) is not None
