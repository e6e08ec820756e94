"""What every LightningModule of this package shares: how it is optimised, and how it is run."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from eurosat_cls.checkpoints.files import read_checkpoint
from eurosat_cls.checkpoints.weights import Weights
from eurosat_cls.config.class_checks import check_settings, is_loaded_part
from eurosat_cls.config.factories import accepts, build, describe
from eurosat_cls.config.trust import trusting
from eurosat_cls.decoders import Decoder
from eurosat_cls.encoders import Encoder
from eurosat_cls.models.network import compile_parts
from eurosat_cls.models.optimization import OptimizerFactory, SchedulerFactory, keep_multipliers, parameter_groups
from eurosat_cls.models.restoring import Restored, after_restoring, before_restoring
from eurosat_cls.models.resume import STATE, progress_of, restore_progress, within_epoch
from eurosat_cls.utils.errors import UserError


class PatchModule(LightningModule):
    """Optimise injected parts, in a chosen memory format, with the encoder compiled when asked.

    A subclass sets ``encoder`` and ``decoder``. The arguments are those of
    :class:`~eurosat_cls.models.classifier.Classifier` of that name.

    Attributes:
        monitor: logged name that tells which epoch is the best one.
    """

    monitor = "val/accuracy"
    encoder: Encoder
    decoder: Decoder

    def __init__(
        self,
        optimizer: OptimizerFactory | None,
        lr_scheduler: SchedulerFactory | None,
        lr_scheduler_interval: Literal["step", "epoch"],
        lr_scheduler_monitor: str | None,
        total_steps: int | None,
        memory_format: str,
        compile: bool | str,
        weights: Weights | str | None = None,
        lr_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.weights = Weights(weights) if isinstance(weights, str) else weights
        self.lr_multipliers = dict(lr_multipliers or {})
        self.optimizer_factory, self.scheduler_factory = optimizer, lr_scheduler
        self.lr_scheduler_interval = lr_scheduler_interval
        self.total_steps = total_steps
        self.memory_format, self.compile_encoder = memory_format, compile
        self._plateau_monitor = lr_scheduler_monitor or "val/loss"
        self._plateau_metric: float | None = None
        self._saved_progress: dict[str, Any] | None = None
        self._logs_anew = True
        self._restored: Restored | None = None

    def keep_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Keep a subclass's arguments, the ``locals()`` of its constructor, as the hyper-parameters of checkpoints.

        They become plain data, so that a checkpoint loads with ``weights_only=True``; ``_instantiator`` is how
        Lightning's ``load_from_checkpoint`` turns them into objects again.
        """
        given = {key: value for key, value in arguments.items() if key not in ("self", "__class__", "weights")}
        plain = {key: describe(value) for key, value in given.items()}
        self.save_hyperparameters({**plain, "_instantiator": "lightning.pytorch.cli.instantiate_module"}, logger=False)

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: Any, map_location: Any = None, strict: bool | None = None, **settings: Any
    ) -> Any:
        """Load a model as Lightning does, from a local file that holds plain data and names trusted classes only.

        Classes of packages that the program has imported are allowed besides. :func:`eurosat_cls.load` is shorter.

        Args:
            checkpoint_path: the file.
            map_location: as in ``torch.load``.
            strict: whether all weights have to fit.
            settings: arguments of the model that replace those in the checkpoint.

        Raises:
            UserError: for a file that is no checkpoint, holds code, or names what no checkpoint may name.
        """
        if "hparams_file" in settings:
            raise UserError("load_from_checkpoint: hparams_file is not read; give its settings by their names.")
        checkpoint = read_checkpoint(checkpoint_path)
        with trusting():
            check_settings(checkpoint.get("hyper_parameters"), str(checkpoint_path), besides=is_loaded_part)
        settings["weights_only"] = True
        return super().load_from_checkpoint(checkpoint_path, map_location=map_location, strict=strict, **settings)

    # --- how it is run -----------------------------------------------------------------------------------------

    def set_execution(self, memory_format: str, compile: bool | str) -> None:
        """Settle what was ``auto``, also in the hyper-parameters that checkpoints keep."""
        self.memory_format, self.compile_encoder = memory_format, compile
        self.hparams.update(memory_format=memory_format, compile=compile)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep how the network was run, so that a resumed run goes on alike."""
        checkpoint["execution"] = {
            "precision": str(self.trainer.precision),
            "memory_format": self.memory_format,
            "compile": self.compile_encoder,
        }
        checkpoint[STATE] = progress_of(self.trainer, self)
        if isinstance(self.lr_schedulers(), ReduceLROnPlateau) and not within_epoch(self.trainer):
            # Checkpoints are written before Lightning hands the epoch's metric to a plateau scheduler, and Lightning
            # leaves that out after a resume: keep the metric and hand it over then.
            metric = self.trainer.callback_metrics.get(self._plateau_monitor)
            checkpoint["plateau_metric"] = None if metric is None else float(metric)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take back what on_save_checkpoint kept, for a training that goes on."""
        resuming = self._trainer is not None and self.trainer.state.fn == "fit"
        self._plateau_metric = checkpoint.get("plateau_metric") if resuming else None
        self._saved_progress = checkpoint.get(STATE) if resuming else None
        self._restored = before_restoring(self, checkpoint) if resuming else None
        self.weights = None  # a training that goes on has its own
        if resuming and self.trainer.precision == "64-true":
            self.double()  # Lightning does so after loading the weights, which would lose half of their digits

    def on_fit_start(self) -> None:
        """Load weights to start from; a checkpoint to go on from has been read by now."""
        if self.weights is not None:
            self.weights.load_into(self)
            self.weights = None

    def setup(self, stage: str) -> None:
        """Put the encoder into its memory format, and compile it when asked.

        Raises:
            UserError: when the processes of a training do not run it alike.
        """
        if self._trainer is not None and self.trainer.world_size > 1:
            ours = (str(self.trainer.precision), self.memory_format, self.compile_encoder)
            if (first := self.trainer.strategy.broadcast(ours)) != ours:
                raise UserError(
                    f"process {self.trainer.global_rank} would run with {ours}, the first one with {first} (precision, "
                    "memory_format, compile): set them instead of auto."
                )
        if self.memory_format == "channels_last":
            self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.compile_encoder is True:
            compile_parts(self.encoder, self.decoder)

    # --- how it is optimised -----------------------------------------------------------------------------------

    def configure_optimizers(self) -> Any:
        """Build the optimizer and, where configured, its scheduler."""
        groups = parameter_groups(self, self.lr_multipliers) if self.lr_multipliers else self.parameters()
        if self.optimizer_factory is None:
            optimizer: Optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
        else:
            optimizer = build("optimizer", self.optimizer_factory, groups)
        keep_multipliers(optimizer)
        if self.scheduler_factory is None:
            return optimizer
        planned = {"total_steps": self.planned_steps()} if accepts(self.scheduler_factory, "total_steps") else {}
        scheduler = build("lr_scheduler", self.scheduler_factory, optimizer, **planned)
        config: dict[str, Any] = {"scheduler": scheduler, "interval": self.lr_scheduler_interval}
        if isinstance(scheduler, ReduceLROnPlateau):
            config |= {"interval": "epoch", "monitor": self._plateau_monitor}
        return {"optimizer": optimizer, "lr_scheduler": config}

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip gradients, those of a fused optimizer too, which Lightning refuses in any mixed precision.

        Raises:
            UserError: for a fused optimizer in float16, whose gradients are scaled until it has used them.
        """
        plugin = self.trainer.precision_plugin
        fused = getattr(optimizer, "_step_supports_amp_scaling", False)
        if not (gradient_clip_val and fused and isinstance(plugin, MixedPrecision)):
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
            return
        if plugin.scaler is not None:
            raise UserError("trainer.gradient_clip_val: in 16-mixed it needs an optimizer with `fused: false`.")
        kind = GradClipAlgorithmType(gradient_clip_algorithm or "norm")
        Precision.clip_gradients(plugin, optimizer, gradient_clip_val, kind)

    def on_train_start(self) -> None:
        """Bring a restored training up to date, and its schedule to what is configured now."""
        self._logs_anew = True
        if self._saved_progress is not None:
            restore_progress(self.trainer, self, self._saved_progress)
            self._saved_progress = None
        schedule = self.lr_schedulers()
        if isinstance(schedule, ReduceLROnPlateau) and self._plateau_metric is not None:
            schedule.step(self._plateau_metric)
            self._plateau_metric = None
        if self._restored is not None:
            after_restoring(self, self._restored)
            self._restored = None

    def is_first(self, batch_idx: int) -> bool:
        """Whether a training batch is the first of its epoch, or the first after a resume: then metrics are named."""
        first, self._logs_anew = batch_idx == 0 or self._logs_anew, False
        return first

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Let an epoch that was resumed end as others do: Lightning would not tell a plateau scheduler of it."""
        self.trainer.fit_loop._restarting = False

    def planned_steps(self) -> int:
        """Scheduler steps of the whole training."""
        if self.total_steps is not None:
            return self.total_steps
        epochs = self.trainer.max_epochs or -1
        if self.lr_scheduler_interval == "epoch" and epochs > 0:
            return epochs
        batches = getattr(getattr(self.trainer, "datamodule", None), "train_batches", None)
        if batches is None or epochs < 0:
            return int(self.trainer.estimated_stepping_batches)
        limit = self.trainer.limit_train_batches
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        steps = epochs * -(-batches // self.trainer.accumulate_grad_batches)
        return min(steps, self.trainer.max_steps) if self.trainer.max_steps > 0 else steps
