"""What the encoder makes of validation patches, for TensorBoard's embedding projector and for own plots."""

from pathlib import Path

import numpy as np
from lightning.pytorch import LightningModule, Trainer

from eurosat_cls.analysis.plots.colour import displayed, stretch_limits, to_rgb
from eurosat_cls.analysis.projector_files import (
    SMALLEST_THUMBNAIL,
    Embeddings,
    draw_sprite,
    stratified_sample,
    write_arrays,
    write_projector,
)
from eurosat_cls.callbacks.pictures.base import PlotCallback, Stage
from eurosat_cls.callbacks.pictures.inference import run_over
from eurosat_cls.callbacks.pictures.patches import patches_of
from eurosat_cls.callbacks.run_folder import run_folder, tensorboards
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import writing

_FEWEST = 3  # points, below which there is nothing to project
_FOR_COLOURS = 200  # patches that the stretch of colours is taken from


class Projector(PlotCallback):
    """Show features of validation patches in the projector tab of TensorBoard; keep them as ``embeddings.npz``.

    Features are what the encoder gives, before the decoder. Each patch is shown with its class, what it was taken for,
    its file, and a thumbnail in true colour, also where the model sees other bands. Everything is written anew each
    time, so that the run folder does not grow.

    Args:
        every_n_epochs: as for every :class:`~eurosat_cls.callbacks.pictures.base.PlotCallback`; TensorBoard reads
            it anew when it is started again.
        patches: how many; a stratified sample, the same in every epoch.
        seed: decides which.
        spherize: list the features a second time, their mean moved to the origin and each of length 1.
        thumbnail: longer side of a thumbnail, in pixels.

    Raises:
        UserError: for fewer than 3 patches, or a thumbnail without 8 to 256 pixels.
    """

    def __init__(
        self,
        every_n_epochs: int | None = None,
        patches: int = 1000,
        seed: int = 0,
        spherize: bool = False,
        thumbnail: int = 32,
    ) -> None:
        super().__init__(every_n_epochs)
        if patches < _FEWEST:
            raise UserError(f"Projector: patches must be at least {_FEWEST}, got {patches}.")
        if not SMALLEST_THUMBNAIL <= thumbnail <= 256:
            raise UserError(f"Projector: thumbnail must be {SMALLEST_THUMBNAIL} to 256 pixels, got {thumbnail}.")
        self.patches, self.seed, self.spherize, self.thumbnail = patches, seed, spherize, thumbnail

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw when it is due, while the weights are those that were validated, be they an average."""
        super().on_validation_end(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do nothing more."""

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do nothing: the validation patches are those to look at while choices are made."""

    def draw(self, trainer: Trainer, module: Classifier, stage: Stage, epoch_outputs: EpochOutputs) -> None:
        """Write features, metadata and thumbnails of the sample."""
        data = patches_of(trainer)
        chosen = stratified_sample(epoch_outputs.target.cpu().numpy(), self.patches, self.seed)
        indices = epoch_outputs.indices.cpu().numpy()[chosen]
        features = run_over(trainer, module, indices, lambda images: module.encoder(module.normalize(images))).numpy()
        finite = np.isfinite(features).all(axis=1)
        if finite.sum() < _FEWEST:
            raise UserError(f"{finite.sum()} of {len(indices)} patches have finite features; {_FEWEST} are needed.")
        embeddings = _described(module, data, epoch_outputs, chosen[finite], features[finite])
        path = run_folder(trainer) / "embeddings.npz"
        with writing(path):
            write_arrays(path, embeddings)
        if not (loggers := tensorboards(trainer)):
            return
        sprite, size = draw_sprite(_thumbnails(data, indices[finite]), self.thumbnail)
        for logger in loggers:
            with writing(logger.log_dir):
                write_projector(Path(logger.log_dir), embeddings, sprite, size, self.spherize)


def _described(
    module: Classifier, data: PatchDataModule, epoch_outputs: EpochOutputs, chosen: np.ndarray, features: np.ndarray
) -> Embeddings:
    """Put to features what is known of their patches."""
    logits, target = epoch_outputs.logits[chosen], epoch_outputs.target[chosen]
    predicted, _ = module.postprocessing.decide(module.postprocessing.probabilities(logits))
    truth = module.rules.names_of(target)
    correct = np.array([said == true for said, true in zip(predicted, truth, strict=True)])
    files = data.files(epoch_outputs.indices[chosen].tolist())
    return Embeddings(features, target.cpu().numpy(), files, truth, predicted, correct, module.class_names)


def _thumbnails(data: PatchDataModule, indices: np.ndarray) -> np.ndarray:
    """Return patches in true colour, uint8 ``[n, H, W, 3]``; of all bands of the store, not only the model's."""
    channels = displayed(data.store.bands)
    parts = [
        data.store.read(part)[:, channels] for part in np.array_split(indices, -(-len(indices) // data.batch_size))
    ]
    images = np.concatenate(parts)
    limits = stretch_limits(images[:: max(1, len(images) // _FOR_COLOURS)])
    return to_rgb(images, *limits)
