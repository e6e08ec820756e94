"""The one LightningModule that classifies: encoder, decoder, loss, optimizer and metrics are handed in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassConfusionMatrix

from eurosat_cls.base import OptimizerFactory, PatchModule, SchedulerFactory
from eurosat_cls.class_weights import ClassWeights, class_weight_tensor
from eurosat_cls.data.augment import dihedral_view
from eurosat_cls.data.batch import Batch
from eurosat_cls.decoders import Decoder, LinearHead
from eurosat_cls.encoders import Encoder
from eurosat_cls.errors import UserError
from eurosat_cls.factories import accepts, build, describe, target_of
from eurosat_cls.metrics import MeanLoss, accuracy, macro_f1
from eurosat_cls.normalize import Normalize, Raw

Stage = Literal["train", "val", "test"]


class LossFactory(Protocol):
    """Builds a loss; ``weight`` (class weights ``[K]``) is handed over only when there are class weights."""

    def __call__(self, *, weight: Tensor | None) -> nn.Module:
        """Return the loss module."""
        ...


class Classifier(PatchModule):
    """Classify raw patches with an injected encoder, decoder and loss.

    In YAML every part is a ``class_path`` with ``init_args``; in Python a class or a ``functools.partial``. What
    follows from the data (``class_names``, ``bands``, ``class_counts``, ``mean``, ``std``) is filled in from the data
    module by the command line.

    Args:
        encoder: builds the encoder from the number of bands.
        class_names: the ``K`` classes in label order.
        bands: the ``C`` bands in channel order.
        decoder: builds the head from the number of features and ``K``.
        loss: builds the loss; receives ``weight`` when ``class_weights`` are given.
        optimizer: builds the optimizer from the parameters; SGD with momentum when None.
        lr_scheduler: builds a scheduler from the optimizer; a ``total_steps`` that it accepts is filled in.
        lr_scheduler_interval: whether the scheduler steps after every step or every epoch.
        lr_scheduler_monitor: logged name that a plateau scheduler watches.
        total_steps: optimizer steps of the whole training; by default what the trainer's settings amount to.
        metrics: by name, builders of torchmetrics from ``K``; accuracy and macro F1 when None.
        class_weights: weight by class name (1 where left out), ``balanced``, or None.
        class_counts: training patches per class, for ``balanced``.
        mean: mean of each band in raw sensor values; without it the encoder sees raw values.
        std: standard deviation of each band in raw sensor values.
        memory_format: layout of images and encoder; ``auto`` is measured by the command line, contiguous otherwise.
        compile: whether to compile the encoder; ``auto`` is decided by the command line, no otherwise.
        test_time_augmentation: average the probabilities of all eight flips and rotations in test and predict.

    Raises:
        UserError: for class weights that do not fit the classes, or that the loss does not take.

    Example:
        >>> from functools import partial
        >>> from eurosat_cls.encoders import ResNet
        >>> model = Classifier(partial(ResNet, widths=(16, 32), blocks=(1, 1)), ["Forest", "River"], ["B04"])
        >>> model(torch.zeros(3, 1, 64, 64, dtype=torch.uint8)).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        encoder: Callable[[int], Encoder],
        class_names: Sequence[str],
        bands: Sequence[str],
        decoder: Callable[[int, int], Decoder] = LinearHead,
        loss: LossFactory = nn.CrossEntropyLoss,
        optimizer: OptimizerFactory | None = None,
        lr_scheduler: SchedulerFactory | None = None,
        lr_scheduler_interval: Literal["step", "epoch"] = "step",
        lr_scheduler_monitor: str | None = None,
        total_steps: int | None = None,
        metrics: Mapping[str, Callable[[int], Metric]] | None = None,
        class_weights: dict[str, float] | Literal["balanced"] | None = None,
        class_counts: Sequence[int] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        memory_format: Literal["auto", "contiguous", "channels_last"] = "auto",
        compile: bool | Literal["auto"] = False,
        test_time_augmentation: bool = False,
    ) -> None:
        super().__init__(
            optimizer,
            lr_scheduler,
            lr_scheduler_interval,
            lr_scheduler_monitor,
            total_steps,
            memory_format,
            compile,
        )
        self.test_time_augmentation = test_time_augmentation
        arguments = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        # Plain data only, so that a checkpoint loads with weights_only=True; `_instantiator` is how Lightning's
        # load_from_checkpoint turns it into objects again.
        plain = {key: describe(value) for key, value in arguments.items()}
        self.save_hyperparameters({**plain, "_instantiator": "lightning.pytorch.cli.instantiate_module"}, logger=False)

        self.class_names, self.bands = list(class_names), list(bands)
        self.normalize: nn.Module = Raw() if mean is None or std is None else Normalize(mean, std)
        self.encoder: Encoder = build("encoder", encoder, len(self.bands))
        self.decoder: Decoder = build("decoder", decoder, self.encoder.out_features, len(self.class_names))
        self.loss = self._build_loss(loss, class_weights, class_counts)
        builders = metrics or {"accuracy": accuracy, "macro_f1": macro_f1}
        count = len(self.class_names)
        built = MetricCollection({name: build(f"metrics.{name}", metric, count) for name, metric in builders.items()})
        self.metrics = nn.ModuleDict(
            {f"{stage}_": built.clone(prefix=f"{stage}/") for stage in ("train", "val", "test")}
        )
        self.losses = nn.ModuleDict({f"{stage}_": MeanLoss() for stage in ("train", "val", "test")})
        confusion = MulticlassConfusionMatrix(len(self.class_names), validate_args=False)
        self.confusion = nn.ModuleDict({f"{stage}_": confusion.clone() for stage in ("val", "test")})

    def _build_loss(
        self, loss: LossFactory, class_weights: ClassWeights, class_counts: Sequence[int] | None
    ) -> nn.Module:
        weight = class_weight_tensor(class_weights, self.class_names, class_counts)
        if weight is not None and not accepts(loss, "weight"):
            name = getattr(target_of(loss), "__name__", loss)
            raise UserError(f"class_weights: {name} takes no class weights; use a loss with `weight`, or drop them.")
        built: nn.Module = build("loss", loss, **({} if weight is None else {"weight": weight}))
        return built

    # --- the network -------------------------------------------------------------------------------------------

    def forward(self, image: Tensor) -> Tensor:
        """Raw ``[B, C, H, W]`` -> logits ``[B, K]``."""
        if self.memory_format == "channels_last":
            image = image.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.decoder(self.encoder(self.normalize(image)))
        return logits

    def predict_logits(self, image: Tensor) -> Tensor:
        """Raw ``[B, C, H, W]`` -> logits ``[B, K]`` in float32, over eight views where so configured."""
        if not self.test_time_augmentation:
            logits: Tensor = self(image)
            return logits.float()
        mean = torch.stack([self(dihedral_view(image, k)).float().softmax(1) for k in range(8)]).mean(0)
        return mean.clamp_min(torch.finfo(mean.dtype).tiny).log()

    # --- the steps ---------------------------------------------------------------------------------------------

    def _step(self, batch: Batch, stage: Stage, first: bool) -> Tensor:
        self._check_batch(batch, first)
        logits = self(batch.image).float() if stage != "test" else self.predict_logits(batch.image)
        loss: Tensor = self.loss(logits, batch.target)
        # Metrics get detached float32 logits: the argmax of a half-precision tie would depend on the precision.
        self.losses[f"{stage}_"].update(loss.detach(), len(batch.target))  # type: ignore[operator]
        self.metrics[f"{stage}_"].update(logits.detach(), batch.target)  # type: ignore[operator]
        if stage != "train":
            self.confusion[f"{stage}_"].update(logits, batch.target)  # type: ignore[operator]
        if first:  # Lightning keeps the objects and computes them when the epoch ends; every further call costs time
            self.log(f"{stage}/loss", self.losses[f"{stage}_"], on_step=False, on_epoch=True)  # type: ignore[arg-type]
            self.log_dict(self.metrics[f"{stage}_"], on_step=False, on_epoch=True)  # type: ignore[arg-type]
        return loss

    def _check_batch(self, batch: Batch, first: bool) -> None:
        if first and isinstance(self.normalize, Normalize):
            self.normalize.check_unit(batch.image)
        # On a GPU the look at the labels would wait for the device in every step: once per epoch is enough there.
        if first or batch.target.device.type == "cpu":
            low, high = batch.target.min().item(), batch.target.max().item()
            if low < 0 or high >= len(self.class_names):
                wrong = low if low < 0 else high
                raise UserError(f"A label is {wrong}, but the {len(self.class_names)} classes have labels from 0 to "
                                f"{len(self.class_names) - 1}.")  # fmt: skip

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch."""
        return self._step(batch, "train", batch_idx == 0)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score one validation batch."""
        self._step(batch, "val", batch_idx == 0)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Score one test batch."""
        self._step(batch, "test", batch_idx == 0)

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return class probabilities ``[B, K]`` in float32."""
        if batch_idx == 0 and isinstance(self.normalize, Normalize):
            self.normalize.check_unit(batch.image)
        return self.predict_logits(batch.image).softmax(dim=1)

    def on_validation_epoch_start(self) -> None:
        """Forget what the sanity check counted."""
        self.confusion["val_"].reset()  # type: ignore[operator]

    def on_test_epoch_start(self) -> None:
        """Start the counts anew."""
        self.confusion["test_"].reset()  # type: ignore[operator]

    def confusion_matrix(self, stage: Literal["val", "test"]) -> Tensor:
        """Counts ``[K, K]`` of the stage's last epoch: row is the true class, column the predicted one."""
        matrix: Tensor = self.confusion[f"{stage}_"].compute()  # type: ignore[operator]
        return matrix
