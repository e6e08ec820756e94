"""The LightningModule that learns without labels: it restores what is hidden from its encoder."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from eurosat_cls.checkpoints.weights import Weights
from eurosat_cls.config.factories import accepts, build, target_of
from eurosat_cls.data.batch import Batch
from eurosat_cls.decoders import Decoder
from eurosat_cls.encoders import Encoder
from eurosat_cls.models.base import PatchModule
from eurosat_cls.models.input_check import InputCheck, refuse_nonfinite
from eurosat_cls.models.masking import CellMasking, Masking
from eurosat_cls.models.network import connect
from eurosat_cls.models.normalize import NoNormalize, Normalize
from eurosat_cls.models.optimization import OptimizerFactory, SchedulerFactory
from eurosat_cls.models.stage_scores import STAGES, StageScores
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.seeds import generator_for

MASKING = 1  # sets the masks' randomness apart from that of the augmentations
EVALUATION = 2**32 - 1  # in the place of the epoch: validation and test hide the same values every time


class Restored(NamedTuple):
    """A batch as an autoencoder sees it, in normalised values.

    Attributes:
        original: ``[B, C, H, W]``.
        mask: True where hidden, broadcastable to it.
        masked: what the encoder got.
        output: what the decoder made of it, ``[B, C, H, W]`` or what else the loss takes.
    """

    original: Tensor
    mask: Tensor
    masked: Tensor
    output: Tensor

    @property
    def reconstruction(self) -> Tensor:
        """``[B, C, H, W]``."""
        return self.output[:, : self.original.shape[1]]


class AutoEncoder(PatchModule):
    """Train an injected encoder to restore hidden parts of raw patches; labels are not used.

    Hidden values are set to 0, the mean of their band; the loss counts hidden values only.

    Args:
        encoder: builds the encoder from the number of bands.
        decoder: builds what restores patches, from the number of features and of bands (times the
            ``outputs_per_band`` of a loss that has them).
        bands: the ``C`` bands in channel order.
        masking: builds what hides cells or bands.
        loss: builds an elementwise loss; it is given ``reduction="none"``. Besides those of torch there is
            :class:`~eurosat_cls.losses.GaussianReconstruction`.
        optimizer: builds the optimizer from the parameters; SGD with momentum when None.
        lr_scheduler: builds a scheduler from the optimizer; a ``total_steps`` that it accepts is filled in.
        lr_scheduler_interval: what the scheduler counts; ``auto``: steps where it takes ``total_steps``, else epochs.
        lr_scheduler_monitor: logged name that a plateau scheduler watches.
        total_steps: optimizer steps of the whole training; by default what the trainer's settings amount to.
        mean: mean of each band in raw sensor values; without it the encoder sees raw values.
        std: standard deviation of each band in raw sensor values.
        unit: what raw values mean, as in the Classifier.
        input_statistics: what the training patches were, as in the Classifier.
        memory_format: layout of images and encoder; ``auto`` is measured by the command line, contiguous otherwise.
        compile: whether to compile the encoder; ``auto`` is decided by the command line, no otherwise.
        weights: where a training starts from, as in the Classifier.

    Raises:
        UserError: for a loss without ``reduction``, and when what the decoder restores has not the patches' shape.

    Source: He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022; for convolutional encoders Pathak
    et al., "Context Encoders: Feature Learning by Inpainting", CVPR 2016.
    """

    monitor = "val/loss"
    normalize: NoNormalize | Normalize

    def __init__(
        self,
        encoder: Callable[[int], Encoder],
        decoder: Callable[[int, int], Decoder],
        bands: Sequence[str],
        masking: Callable[[], Masking] = CellMasking,
        loss: Callable[[], nn.Module] = nn.MSELoss,
        optimizer: OptimizerFactory | None = None,
        lr_scheduler: SchedulerFactory | None = None,
        lr_scheduler_interval: Literal["auto", "step", "epoch"] = "auto",
        lr_scheduler_monitor: str | None = None,
        total_steps: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        unit: dict[str, Any] | None = None,
        input_statistics: dict[str, Any] | None = None,
        memory_format: Literal["auto", "contiguous", "channels_last"] = "auto",
        compile: bool | Literal["auto"] = False,
        weights: Weights | str | None = None,
    ) -> None:
        super().__init__(
            optimizer=optimizer,
            lr_scheduler=lr_scheduler,
            lr_scheduler_interval=lr_scheduler_interval,
            lr_scheduler_monitor=lr_scheduler_monitor,
            total_steps=total_steps,
            memory_format=memory_format,
            compile=compile,
            weights=weights,
        )
        self.keep_arguments(locals())
        if "reduction" not in inspect.signature(target_of(loss)).parameters:
            raise UserError("model.loss: an autoencoder needs an elementwise loss with `reduction`, as MSELoss is.")
        self.bands = list(bands)
        self.masking: Masking = build("masking", masking)
        self.input_check = InputCheck(self.bands, (), mean, std, unit, input_statistics)
        self.normalize = NoNormalize() if mean is None or std is None else Normalize(mean, std)
        named = {"bands": self.bands} if accepts(encoder, "bands") else {}
        self.encoder = build("encoder", encoder, len(self.bands), **named)
        self.loss: nn.Module = build("loss", loss, reduction="none")
        outputs = len(self.bands) * int(getattr(self.loss, "outputs_per_band", 1))
        self.decoder = build("decoder", decoder, self.encoder.out_features, outputs)
        self.train_scores, self.val_scores, self.test_scores = map(StageScores, STAGES)

    def forward(self, image: Tensor) -> Tensor:
        """Raw ``[B, C, H, W]`` -> features ``[B, D]``, nothing hidden."""
        features: Tensor = self.encoder(self.normalize(image))
        return features

    def restore(self, image: Tensor, generator: torch.Generator | None = None) -> Restored:
        """Hide parts of raw ``[B, C, H, W]`` and restore them."""
        original = self.normalize(image)
        mask = self.masking(original, generator)
        masked = original.masked_fill(mask, 0.0)
        if self.memory_format == "channels_last":
            masked = masked.contiguous(memory_format=torch.channels_last)
        seen = Restored(original, mask, masked, connect(self.encoder, self.decoder, masked).float())
        if seen.reconstruction.shape != original.shape:
            raise UserError(
                f"model.decoder restores {list(seen.reconstruction.shape[1:])}, the patches are "
                f"{list(original.shape[1:])}: its scale does not fit the encoder."
            )
        return seen

    def errors(self, restored: Restored) -> Tensor:
        """Mean loss over the hidden values of each patch, ``[B]``."""
        mask = restored.mask.expand_as(restored.original).float()
        loss: Tensor = self.loss(restored.output, restored.original) * mask
        return loss.flatten(1).sum(1) / mask.flatten(1).sum(1)

    def step(self, batch: Batch, batch_idx: int, scores: StageScores, first: bool) -> Tensor:
        """Return the mean loss over the hidden values of a batch."""
        if first:
            refuse_nonfinite(batch.image)
        generator = generator_for(MASKING, self.current_epoch if scores.stage == "train" else EVALUATION, batch_idx)
        loss = self.errors(self.restore(batch.image, generator)).mean()
        scores.loss.update(loss, len(batch.image))
        if first:
            scores.log(self)
        return loss

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return how badly each patch is restored, ``[B]``: the unusual ones stand out."""
        return self.errors(self.restore(self.checked(batch).image, generator_for(MASKING, EVALUATION, batch_idx)))

    def prediction_columns(self) -> list[str]:
        """Names of the columns that :meth:`prediction_rows` fills."""
        return ["reconstruction_error"]

    def prediction_rows(self, prediction: Tensor) -> list[list[str]]:
        """Write what :meth:`predict_step` returned as a row for each patch."""
        return [[f"{error:.6f}"] for error in prediction.tolist()]
