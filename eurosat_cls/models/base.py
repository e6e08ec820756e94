"""What every LightningModule of this package shares: its stages, how it is run, and how it goes on."""

import copy
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from eurosat_cls.checkpoints.files import read_checkpoint
from eurosat_cls.checkpoints.tensor_limits import Budget
from eurosat_cls.checkpoints.weights import Weights
from eurosat_cls.config.factories import describe
from eurosat_cls.config.roles import check_settings, is_loaded_part
from eurosat_cls.config.trust import trusting
from eurosat_cls.data.batch import Batch
from eurosat_cls.decoders import Decoder
from eurosat_cls.encoders import Encoder
from eurosat_cls.metrics import Mode
from eurosat_cls.models.directions import known_mode
from eurosat_cls.models.input_check import InputCheck, refuse_nonfinite
from eurosat_cls.models.network import compile_parts
from eurosat_cls.models.optimization import OptimizedModule, OptimizerFactory, SchedulerFactory
from eurosat_cls.models.restoring import Restored, after_restoring, before_restoring, keep_plateau_metric
from eurosat_cls.models.resume import STATE, progress_of, restore_progress
from eurosat_cls.models.stage_scores import StageScores
from eurosat_cls.models.states import settle_optimizers
from eurosat_cls.utils.configurable import Configurable
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.lightning_private import end_epoch_as_others
from eurosat_cls.utils.modules import frozen_batch_statistics


class PatchModule(OptimizedModule, Configurable):
    """Train, validate and test injected parts, in a chosen memory format, with the encoder compiled when asked.

    A subclass builds its parts and scores, and says in :meth:`step` what is done with a batch. The arguments are those
    of :class:`~eurosat_cls.models.classifier.Classifier` of that name.

    Attributes:
        monitor: logged name that tells which epoch is the best one.
        loaded_steps: optimizer steps behind weights that were loaded; None for those of a training.
    """

    monitor = "val/accuracy"
    loaded_steps: int | None = None
    encoder: Encoder
    decoder: Decoder
    input_check: InputCheck
    train_scores: StageScores
    val_scores: StageScores
    test_scores: StageScores

    def __init__(
        self,
        *,
        optimizer: OptimizerFactory | None,
        lr_scheduler: SchedulerFactory | None,
        lr_scheduler_interval: Literal["auto", "step", "epoch"],
        lr_scheduler_monitor: str | None,
        total_steps: int | None,
        memory_format: str,
        compile: bool | str,
        weights: Weights | str | None,
        lr_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(
            optimizer=optimizer,
            lr_scheduler=lr_scheduler,
            lr_scheduler_interval=lr_scheduler_interval,
            lr_scheduler_monitor=lr_scheduler_monitor,
            total_steps=total_steps,
            lr_multipliers=lr_multipliers,
        )
        self.weights = Weights(weights) if isinstance(weights, str) else weights
        self.memory_format, self.compile_encoder = memory_format, compile
        self._saved_progress: dict[str, Any] | None = None
        self._restored: Restored | None = None
        self._checkpoint: dict[str, Any] | None = None  # while what it holds is restored
        self._logs_anew = True

    def keep_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Keep a subclass's arguments, the ``locals()`` of its constructor, as the hyper-parameters of checkpoints.

        They become plain data, so that a checkpoint loads with ``weights_only=True``; ``_instantiator`` is how
        Lightning's ``load_from_checkpoint`` turns them into objects again.
        """
        given = {key: value for key, value in arguments.items() if key not in ("self", "__class__", "weights")}
        plain = {key: describe(value) for key, value in given.items()}
        plain["lr_scheduler_interval"] = self.lr_scheduler_interval
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
        with Budget(checkpoint["state_dict"], str(checkpoint_path)):
            return super().load_from_checkpoint(checkpoint_path, map_location=map_location, strict=strict, **settings)

    @property
    def is_restoring(self) -> bool:
        """Whether a trainer is taking up what a checkpoint holds."""
        return self._checkpoint is not None

    def known_mode(self, monitor: str) -> Mode | None:
        """Return whether more or less of a logged name is better, as its metric says."""
        return known_mode(monitor, dict(self.val_scores.metrics.items(keep_base=True)))

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
        checkpoint[STATE] = progress_of(self.trainer, self.train_scores)
        keep_plateau_metric(self, checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take back what on_save_checkpoint kept, for a training that goes on."""
        self._checkpoint = None if self._trainer is None else checkpoint
        resuming = self._trainer is not None and self.trainer.state.fn == "fit"
        self.loaded_steps = None if resuming else checkpoint.get("global_step")
        self._saved_progress = checkpoint.get(STATE) if resuming else None
        self._restored = before_restoring(self, checkpoint) if resuming else None
        if not resuming:  # what the weights know, whatever data are at hand
            self.input_check.learn(checkpoint.get("hyper_parameters", {}))
        self.weights = None  # a training that goes on has its own
        if resuming and self.trainer.precision == "64-true":
            self.double()  # Lightning does so after loading the weights, which would lose half of their digits

    def on_fit_start(self) -> None:
        """Load weights to start from; a checkpoint to go on from has been read by now."""
        self.loaded_steps = None
        if self._checkpoint is not None:
            settle_optimizers(self.trainer, self._checkpoint)
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

    def on_train_start(self) -> None:
        """Bring a restored training up to date, and its schedule to what is configured now."""
        self._logs_anew = True
        if self._saved_progress is not None:
            restore_progress(self.trainer, self.train_scores, self._saved_progress)
            self._saved_progress = None
        if self._restored is not None:
            after_restoring(self, self._restored)
            self._restored = None
        self._checkpoint = None

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Let an epoch that was resumed end as others do."""
        end_epoch_as_others(self.trainer)

    # --- what goes in -------------------------------------------------------------------------------------------

    def _restart_input(self) -> None:
        self._checkpoint = None
        self.input_check.restart()

    on_validation_start = on_test_start = on_predict_start = _restart_input

    def checked(self, batch: Batch) -> Batch:
        """Check, and where need be convert, what a trained model is to see; not what it was trained on.

        Raises:
            UserError: for what :class:`~eurosat_cls.models.input_check.InputCheck` refuses.
        """
        if self._trainer is not None:
            if self.trainer.state.fn == "fit":
                return batch
            if self.input_check.trained_on(getattr(self.trainer.datamodule, "store", None)):  # type: ignore[attr-defined]
                refuse_nonfinite(batch.image)
                return batch
        return batch._replace(image=self.input_check(batch.image))

    # --- the stages ----------------------------------------------------------------------------------------------

    def step(self, batch: Batch, batch_idx: int, scores: StageScores, first: bool) -> Tensor:
        """Score a batch and return its loss; the ``first`` one of an epoch is where a subclass calls ``scores.log``."""
        raise NotImplementedError

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch; what an optimizer asks for at other weights is not scored."""
        used = [] if self._trainer is None else self.trainer.optimizers
        if any(getattr(optimizer, "perturbed", False) for optimizer in used):
            with frozen_batch_statistics(self):
                return self.step(batch, batch_idx, copy.deepcopy(self.train_scores), False)
        first, self._logs_anew = batch_idx == 0 or self._logs_anew, False  # also the first one after a resume
        return self.step(batch, batch_idx, self.train_scores, first)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score one validation batch."""
        self.step(self.checked(batch), batch_idx, self.val_scores, batch_idx == 0)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Score one test batch."""
        self.step(self.checked(batch), batch_idx, self.test_scores, batch_idx == 0)

    def on_test_epoch_end(self) -> None:
        """Log the scores at the step that the weights are of: a trainer that only tests counts none."""
        if self.loaded_steps is not None:
            self.log("step", float(self.loaded_steps), sync_dist=True)
