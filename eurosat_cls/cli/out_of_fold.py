"""The test of a cross-validation: what its folds have said of all patches, scored and drawn as any test is."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch import Trainer as LightningTrainer
from torch import Tensor

from eurosat_cls.callbacks import TestScores
from eurosat_cls.cli import run as dispatch
from eurosat_cls.cli.application import EuroSATCLI
from eurosat_cls.data.batch import Batch
from eurosat_cls.data.splits.base import make_split
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.training.execution import Execution
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.limits import TABLE, read_rows

_LEAST = 5e-7  # half of what the six digits of a table can tell from 0


class KnownAnswers(Callback):
    """Let a classifier say of each patch what is known already, whatever its weights.

    Args:
        logits: ``[N, outputs]`` float32, by position in the store.
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Put the answers of this batch in the place of the network."""
        answers = self.logits.to(batch.image.device)[batch.indices]
        pl_module.predict_logits = lambda image: answers  # type: ignore[assignment]


class OutOfFoldCLI(EuroSATCLI):
    """The command ``test`` without a checkpoint."""

    folder: Path
    answers: Mapping[str, Mapping[str, str]]

    def before_instantiate_classes(self) -> None:
        """Ask for no checkpoint: none of them is without what it has been trained on."""
        self.root, self.checkpoint = self.folder, None

    def _run_folder(self, config: Any) -> Path:
        return self.folder

    def instantiate_trainer(self, **kwargs: Any) -> LightningTrainer:
        """Test all patches that have an answer."""
        data, model = self.datamodule, self.model
        if not isinstance(model, Classifier):
            raise UserError("--folds is for classifiers.")
        model.calibrate = False  # each fold has applied its own temperature
        rows = [row for row, file in enumerate(data.store.files) if file in self.answers]
        data.split = make_split(data.store.files, {"train": [], "val": [], "test": rows}, "out of fold")
        return super().instantiate_trainer(**kwargs)

    def _callbacks(self, folder: Path, config: Any, execution: Execution) -> list[Any]:
        callbacks = super()._callbacks(folder, config, execution)
        for scores in (callback for callback in callbacks if isinstance(callback, TestScores)):
            scores.checkpoint = "all folds"
        model, files = self.model, self.datamodule.store.files
        logits = torch.zeros(len(files), model.rules.outputs)
        for row, file in enumerate(files):
            if file in self.answers:
                logits[row] = _logits([float(self.answers[file][name]) for name in model.class_names], model)
        return [KnownAnswers(logits), *callbacks]


def _logits(probabilities: list[float], model: Classifier) -> Tensor:
    known = torch.tensor(probabilities).clamp(_LEAST, 1 - _LEAST)
    return known.log() if model.task == "multiclass" else known[-model.rules.outputs :].logit()


def run(arguments: list[str]) -> None:
    """Test.

    Args:
        arguments: the table of answers, the run folder, and those of ``test``.
    """
    OutOfFoldCLI.answers = {row["file"]: row for row in read_rows(Path(arguments[0]), TABLE)}
    OutOfFoldCLI.folder = Path(arguments[1])
    dispatch.run(["test", *arguments[2:]], OutOfFoldCLI)


if __name__ == "__main__":
    run(sys.argv[1:])
