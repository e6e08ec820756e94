"""From logits to probabilities, decisions and metrics: the part of a classifier that is no network."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from eurosat_cls.data.batch import TaskName
from eurosat_cls.models.base import PatchModule
from eurosat_cls.models.predictions import EpochOutputs, OutputCollector
from eurosat_cls.models.tasks import Task, task_for
from eurosat_cls.models.temperature import fit_temperature
from eurosat_cls.utils.errors import UserError

CLASS_WEIGHTS = ("loss.weight", "loss.pos_weight")  # what the configuration says, whatever a checkpoint holds


class DecidingModule(PatchModule):
    """Decide by thresholds, say probabilities at a temperature, and keep what was said of every patch.

    A subclass calls :meth:`_set_decisions` once; the arguments are those of
    :class:`~eurosat_cls.models.classifier.Classifier` of that name.

    Attributes:
        temperature: float32 scalar, fitted on every validation of a training and kept with the weights; 1 before.
    """

    may_lack = ("temperature", *CLASS_WEIGHTS)  # tensors that checkpoints need not have, nor this model
    class_names: list[str]
    task: TaskName
    rules: Task
    threshold: Tensor  # [number of independent decisions], none in a multiclass task
    temperature: Tensor
    output_collectors: nn.ModuleDict

    def _set_decisions(
        self, class_names: Sequence[str], task: TaskName, threshold: float | Literal["tune"], calibrate: bool
    ) -> None:
        self.class_names, self.task, self.rules = list(class_names), task, task_for(task, class_names)
        if threshold != "tune" and not 0 < threshold < 1:
            raise UserError(f"model.threshold must be between 0 and 1, or tune; got {threshold}.")
        if task == "multiclass" and threshold != 0.5:
            warnings.warn("model.threshold has no effect in a multiclass task", stacklevel=3)
        self.tune_threshold = threshold == "tune"
        start = 0.5 if threshold == "tune" else threshold
        self.register_buffer("threshold", torch.full((self.rules.thresholds,), start))
        self.calibrate = calibrate
        self.register_buffer("temperature", torch.ones(()))
        self.output_collectors = nn.ModuleDict({f"{stage}_": OutputCollector() for stage in ("val", "test")})

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
        configured = [name for name in CLASS_WEIGHTS if hasattr(self, "loss")]
        state = {name: value for name, value in checkpoint["state_dict"].items() if name not in configured}
        ours = self.state_dict()
        configured += [] if self.tune_threshold else ["threshold"]
        checkpoint["state_dict"] = {**state, **{name: ours[name] for name in configured if name in ours}}

    # --- what is said of a patch ---------------------------------------------------------------------------------

    def judged(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and the thresholds for them: at the temperature where ``calibrate`` is set, else as they are.

        Args:
            logits: ``[B, outputs]`` float32.
        """
        if not self.calibrate:
            return logits, self.threshold
        return self.rules.tempered(logits, self.threshold, self.temperature)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits ``[B, outputs]`` -> probabilities ``[B, K]``, calibrated where ``calibrate`` is set."""
        return self.rules.probabilities(self.judged(logits)[0])

    def name_predictions(self, probabilities: Tensor) -> tuple[list[str], Tensor]:
        """``[B, K]`` of :meth:`probabilities` -> what each patch is called, and the confidence ``[B]`` in that.

        In a multilabel task names are joined by ``|`` and the confidence is that of the least certain decision.
        """
        _, threshold = self.judged(probabilities.new_zeros(0, self.rules.outputs))
        return self.rules.decide(probabilities, threshold)

    def prediction_columns(self) -> list[str]:
        """Names of the columns that :meth:`prediction_rows` fills."""
        return ["predicted", "confidence", *self.class_names]

    def prediction_rows(self, probabilities: Tensor) -> list[list[str]]:
        """Write what ``predict_step`` returned as a row for each patch."""
        names, confidence = self.name_predictions(probabilities)
        numbers = torch.cat([confidence[:, None], probabilities], dim=1).tolist()
        return [[name, *(f"{number:.6f}" for number in row)] for name, row in zip(names, numbers, strict=True)]

    # --- what was said in an epoch -------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Forget what the epoch before said."""
        self.output_collectors["val_"].reset()  # type: ignore[operator]

    def on_validation_epoch_end(self) -> None:
        """Fit the temperature, and choose thresholds where they are tuned, before the epoch's checkpoint is saved."""
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            logits, target, _ = self.epoch_outputs("val")
            self.temperature.fill_(fit_temperature(logits, target, self.task))
            if self.tune_threshold:
                self.threshold.copy_(self.rules.best_thresholds(logits, target))

    def on_test_epoch_start(self) -> None:
        """Forget what the test before said."""
        self.output_collectors["test_"].reset()  # type: ignore[operator]

    def epoch_outputs(self, stage: Literal["val", "test"]) -> EpochOutputs:
        """What was said of every patch in the stage's last epoch; to be called by all processes of a training.

        Its logits are those of the network, whether ``calibrate`` is set or not; :meth:`probabilities` takes them.
        """
        found = self.output_collectors[f"{stage}_"].compute()  # type: ignore[operator]
        count = found.indices.numel()  # a single patch comes without its axis
        return EpochOutputs(found.logits.reshape(count, -1), found.target.reshape(count, *found.target.shape[1:]),
                       found.indices.reshape(count))  # fmt: skip

    def confusion_matrix(self, stage: Literal["val", "test"]) -> Tensor:
        """Counts of the stage's last epoch: ``[K, K]`` with true classes in rows and predicted ones in columns.

        In a multilabel task ``[K, 2, 2]``: for each label the same of its absence and presence.
        """
        return self.count_confusion(self.epoch_outputs(stage))

    def count_confusion(self, epoch_outputs: EpochOutputs) -> Tensor:
        """Return the :meth:`confusion_matrix` of an epoch's outputs."""
        counts = self.rules.confusion().to(epoch_outputs.logits.device)
        matrix: Tensor = counts(*self.rules.scored(epoch_outputs.logits, epoch_outputs.target, self.threshold))
        return matrix
