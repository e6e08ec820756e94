"""The one LightningModule that classifies: encoder, decoder, loss, optimizer and metrics are handed in."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from eurosat_cls.checkpoints.weights import Weights
from eurosat_cls.config.factories import accepts, build
from eurosat_cls.data.batch import Batch, TaskName
from eurosat_cls.decoders import Decoder, LinearHead
from eurosat_cls.encoders import Encoder
from eurosat_cls.models.answering import Answering
from eurosat_cls.models.indices import input_layer
from eurosat_cls.models.input_check import InputCheck, refuse_nonfinite
from eurosat_cls.models.optimization import OptimizerFactory, SchedulerFactory
from eurosat_cls.models.postprocessing import initial_threshold
from eurosat_cls.models.stage_scores import STAGES, StageScores
from eurosat_cls.models.tasks import LossFactory, MetricFactory, task_for
from eurosat_cls.models.temperature import fit_temperature
from eurosat_cls.utils.errors import UserError

CLASS_WEIGHTS = ("loss.weight", "loss.pos_weight")  # what the configuration says, whatever a checkpoint holds


class Classifier(Answering):
    """Classify raw patches with an injected encoder, decoder and loss.

    In YAML every part is a ``class_path`` with ``init_args``; in Python a class or a ``functools.partial``. What
    follows from the data (``class_names``, ``bands``, ``class_counts``, ``mean``, ``std``, ``unit``,
    ``input_statistics``) is filled in from the data module by the command line, and so is ``task``.

    Args:
        encoder: builds the encoder from the number of channels: bands, then indices. Their names are handed over as
            ``bands`` where it takes them.
        class_names: the ``K`` classes in label order.
        bands: the ``C`` bands in channel order.
        decoder: builds the head from the number of features and of logits: ``K``, or 1 in a binary task.
        loss: builds the loss; receives ``weight`` or ``pos_weight`` when ``class_weights`` are given. None means cross
            entropy, in its binary form where labels are decided independently.
        optimizer: builds the optimizer from the parameters; SGD with momentum when None.
        lr_scheduler: builds a scheduler from the optimizer; a ``total_steps`` that it accepts is filled in.
        lr_scheduler_interval: what the scheduler counts; ``auto``: steps where it takes ``total_steps``, else epochs.
        lr_scheduler_monitor: logged name that a plateau scheduler watches.
        total_steps: optimizer steps of the whole training; by default what the trainer's settings amount to.
        metrics: by name, builders of torchmetrics from ``K``; when None accuracy, macro F1 and what else is usual for
            the task.
        task: ``multiclass``, ``binary`` (the second class is the positive one) or ``multilabel``.
        threshold: probability above which a label is there, in binary and multilabel tasks; ``tune`` chooses the one
            with the best F1 for each label on every validation of a training, and keeps it with the weights.
        indices: spectral indices that the encoder gets as further channels, by name or as a formula over bands; see
            :class:`~eurosat_cls.models.indices.SpectralIndices`.
        class_weights: weight by class name (1 where left out), ``balanced``, or None.
        class_counts: training patches per class, for ``balanced``.
        train_patches: training patches, for ``balanced`` with several labels per patch.
        mean: mean of each band in raw sensor values; without it the encoder sees raw values.
        std: standard deviation of each band in raw sensor values.
        unit: what raw values mean, see :class:`~eurosat_cls.data.unit.Unit`; what other images are brought to.
        input_statistics: what the training patches were, see :class:`~eurosat_cls.data.identity.InputStatistics`;
            what other images are held against.
        memory_format: layout of images and encoder; ``auto`` is measured by the command line, contiguous otherwise.
        compile: whether to compile the encoder; ``auto`` is decided by the command line, no otherwise.
        test_time_augmentation: average the probabilities of all eight flips and rotations in test and predict.
        calibrate: divide the logits in test and predict by the temperature that fitted the validation best, so that
            probabilities are nearer to the shares that come true; decisions stay as they are.
        weights: where a training starts from: a file whose encoder is loaded, or
            :class:`~eurosat_cls.checkpoints.weights.Weights` with more choice.
        lr_multipliers: by module name or pattern, what the learning rate is multiplied by for its parameters.

    Attributes:
        temperature: float32 scalar, fitted on every validation of a training and kept with the weights; 1 before.

    Raises:
        UserError: for class weights that do not fit the classes, or that the loss does not take.

    Example:
        >>> from functools import partial
        >>> from eurosat_cls.encoders import ResNet
        >>> model = Classifier(partial(ResNet, widths=(16, 32), blocks=(1, 1)), ["Forest", "River"], ["B04"])
        >>> model(torch.zeros(3, 1, 64, 64, dtype=torch.uint8)).shape
        torch.Size([3, 2])
    """

    may_lack = ("temperature", *CLASS_WEIGHTS)  # tensors that checkpoints need not have, nor this model

    def __init__(
        self,
        encoder: Callable[[int], Encoder],
        class_names: Sequence[str],
        bands: Sequence[str],
        decoder: Callable[[int, int], Decoder] = LinearHead,
        loss: LossFactory | None = None,
        optimizer: OptimizerFactory | None = None,
        lr_scheduler: SchedulerFactory | None = None,
        lr_scheduler_interval: Literal["auto", "step", "epoch"] = "auto",
        lr_scheduler_monitor: str | None = None,
        total_steps: int | None = None,
        metrics: Mapping[str, MetricFactory] | None = None,
        task: TaskName = "multiclass",
        threshold: float | Literal["tune"] = 0.5,
        indices: Sequence[str] | None = None,
        class_weights: dict[str, float] | Literal["balanced"] | None = None,
        class_counts: Sequence[int] | None = None,
        train_patches: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        unit: dict[str, Any] | None = None,
        input_statistics: dict[str, Any] | None = None,
        memory_format: Literal["auto", "contiguous", "channels_last"] = "auto",
        compile: bool | Literal["auto"] = False,
        test_time_augmentation: bool = False,
        calibrate: bool = False,
        weights: Weights | str | None = None,
        lr_multipliers: dict[str, float] | None = None,
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
            lr_multipliers=lr_multipliers,
        )
        self.keep_arguments(locals())
        self.class_names, self.bands = list(class_names), list(bands)
        self.task, self.rules = task, task_for(task, class_names)
        self.test_time_augmentation = test_time_augmentation
        self.calibrate, self.tune_threshold = calibrate, threshold == "tune"
        self.register_buffer("threshold", initial_threshold(self.rules, task, threshold))
        self.register_buffer("temperature", torch.ones(()))
        self.normalize = input_layer(self.bands, indices, mean, std)
        self.input_check = InputCheck(self.bands, self.class_names, mean, std, unit, input_statistics)
        channels = len(self.bands) + len(indices or ())
        named = {"bands": [*self.bands, *(indices or ())]} if accepts(encoder, "bands") else {}
        self.encoder: Encoder = build("encoder", encoder, channels, **named)
        self.decoder: Decoder = build("decoder", decoder, self.encoder.out_features, self.rules.outputs)
        self.loss = self.rules.loss(loss, class_weights, class_counts, train_patches)
        metric_set = self.rules.metrics(dict(metrics or {}))
        self.train_scores, self.val_scores, self.test_scores = (StageScores(stage, metric_set) for stage in STAGES)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load weights; those of an earlier version, without a temperature, have that of 1."""
        if "temperature" not in state_dict:
            state_dict = {**state_dict, "temperature": torch.ones_like(self.temperature)}
            if self.calibrate:
                warnings.warn("the checkpoint has no temperature: model.calibrate has no effect", stacklevel=2)
        return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take tuned thresholds from a checkpoint, but configured ones and class weights from the configuration."""
        super().on_load_checkpoint(checkpoint)
        if self._trainer is None or self.trainer.state.fn != "fit":
            self.take_evidence(checkpoint, "the checkpoint" if self._trainer is None else str(self.trainer.ckpt_path))
        state = {name: value for name, value in checkpoint["state_dict"].items() if name not in CLASS_WEIGHTS}
        ours = self.state_dict()
        configured = CLASS_WEIGHTS if self.tune_threshold else (*CLASS_WEIGHTS, "threshold")
        checkpoint["state_dict"] = {**state, **{name: ours[name] for name in configured if name in ours}}

    # --- the stages --------------------------------------------------------------------------------------------

    def step(self, batch: Batch, batch_idx: int, scores: StageScores, first: bool) -> Tensor:
        """Return the loss of a batch, and score what a test or any other stage makes of it."""
        self._check_batch(batch, first)
        testing = scores.stage == "test"
        logits, familiarity = self.examine(batch.image) if testing else (self(batch.image).float(), None)
        judged, threshold = self.postprocessing.calibrated(logits) if testing else (logits, self.threshold)
        loss = self.batch_loss(judged, batch.target)
        # Metrics get detached float32 logits: the argmax of a half-precision tie would depend on the precision.
        scores.loss.update(loss, len(batch.target))
        scores.metrics.update(*self.rules.scored(judged.detach(), batch.target, threshold))
        if scores.stage != "train":
            scores.outputs.update(logits.detach(), batch.target, batch.indices, familiarity)
        if first:
            scores.log(self)
        return loss

    def batch_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits ``[B, outputs]``; a UserError for mixed labels that it does not take."""
        try:
            loss: Tensor = self.loss(*self.rules.for_loss(logits, target))
        except RuntimeError as error:
            if self.task != "multiclass" or not target.is_floating_point():
                raise
            name = type(self.loss).__name__
            raise UserError(
                f"model.loss: {name} takes no mixed labels; leave out Mixup and CutMix, or use CrossEntropyLoss or "
                "FocalLoss."
            ) from error
        return loss

    def _check_batch(self, batch: Batch, first: bool) -> None:
        if first:
            refuse_nonfinite(batch.image)
        if batch.target.is_floating_point():
            return  # several labels or mixed ones: made of labels that the store has checked
        # On a GPU the look at the labels would wait for the device in every step: once per epoch is enough there.
        if first or batch.target.device.type == "cpu":
            low, high = batch.target.min().item(), batch.target.max().item()
            if low < 0 or high >= len(self.class_names):
                wrong = low if low < 0 else high
                raise UserError(f"A label is {wrong}, but the {len(self.class_names)} classes have labels from 0 to "
                                f"{len(self.class_names) - 1}.")  # fmt: skip

    def on_validation_epoch_start(self) -> None:
        """Forget what the epoch before said."""
        self.val_scores.outputs.reset()

    def on_validation_epoch_end(self) -> None:
        """Fit the temperature, and choose thresholds where they are tuned, before the epoch's checkpoint is saved."""
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            logits, target, *_ = self.val_scores.epoch_outputs()
            self.temperature.fill_(fit_temperature(logits, target, self.task))
            if self.tune_threshold:
                self.threshold.copy_(self.rules.best_thresholds(logits, target))

    def on_test_epoch_start(self) -> None:
        """Forget what the test before said."""
        self.test_scores.outputs.reset()
