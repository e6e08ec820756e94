"""The metrics of a test, as a table and as JSON."""

import sys
import warnings
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.table import Table

from eurosat_cls.analysis.calibration import before_and_after, describe
from eurosat_cls.analysis.class_scores import format_score, plain_scores
from eurosat_cls.analysis.coverage import (
    RATES,
    accuracy_by_doubt,
    at_shares,
    describe_coverage,
    describe_right,
    right_patches,
    set_coverage,
)
from eurosat_cls.analysis.report.page import write_report
from eurosat_cls.callbacks.pictures.patches import decide
from eurosat_cls.callbacks.predictions import write_polygons
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.models.evidence import LACKING, ONE_VIEW
from eurosat_cls.models.predictions import EpochOutputs
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import csv_text, write_json, write_text, writing
from eurosat_cls.utils.text import print_table


class TestScores(Callback):
    """After ``test`` print a table per class and write ``test.json``; after ``validate`` print the metrics.

    Args:
        folder: the run folder.
        checkpoint: the checkpoint that is tested.
        details: what else to keep in ``test.json`` (split, versions, settings), as plain data.
    """

    __test__ = False  # no test of pytest's

    def __init__(self, folder: Path, checkpoint: str, details: dict[str, Any] | None = None) -> None:
        self.folder, self.checkpoint, self.details = folder, checkpoint, details or {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the metrics of ``validate``; those of a training are printed by its epochs."""
        if trainer.state.fn == "validate" and trainer.is_global_zero:
            print(f"{_part(trainer, 'val')}{_line(_metrics(trainer, 'val'))}")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table and write the file."""
        metrics, path = _metrics(trainer, "test"), self.folder / "test.json"
        content: dict[str, Any] = {**metrics, "checkpoint": self.checkpoint, **self.details}
        if isinstance(data := getattr(trainer, "datamodule", None), PatchDataModule):
            content["patches"] = dict(zip(("scored", "of"), data.scored("test"), strict=True))
        if isinstance(pl_module, Classifier):
            outputs = pl_module.test_scores.epoch_outputs()
            matrix = pl_module.postprocessing.confusion_matrix(outputs)
            scores = plain_scores(matrix, pl_module.class_names)
            temperature = float(pl_module.answering_temperature)
            found = before_and_after(outputs.logits, outputs.target, pl_module.task, temperature)
            content |= {"per_class": scores, "confusion_matrix": matrix.tolist()}
            content["calibration"] = {"applied": pl_module.calibrate, **found}
            lines = [describe(found, pl_module.calibrate), *_doubts(pl_module, outputs, content)]
            if pl_module.evidence is None and trainer.ckpt_path:
                lines.append(f"no familiarity and no sets of classes: {LACKING}")
        if not trainer.is_global_zero:
            return
        write_json(path, content)
        if "per_class" in content:
            self._print_table(scores, _part(trainer, "test"))
            print(*lines, sep="\n")
        print(f"{_part(trainer, 'test')}{_line(metrics)}\nwritten to {path}")

    def _print_table(self, scores: dict[str, dict[str, float | None]], part: str) -> None:
        table = Table("class", *(("images", "precision", "recall", "F1")), title=f"{part}test of {self.checkpoint}")
        for column in table.columns[1:]:
            column.justify = "right"
        for name, s in scores.items():
            table.add_row(name, str(s["images"]), *(format_score(s[key]) for key in ("precision", "recall", "f1")))
        print_table(table)


def _doubts(module: Classifier, outputs: EpochOutputs, content: dict[str, Any]) -> list[str]:
    """Add to what ``test.json`` holds how far answers can be believed; return what is printed of it."""
    decisions, evidence = decide(module, outputs), module.evidence
    beliefs = {"confidence": None} if outputs.familiarity is None else {
        "confidence": None, "familiarity": outputs.familiarity.cpu().numpy()
    }  # fmt: skip
    lines = []
    if len(outputs.indices):
        content["right"] = right_patches(decisions)
        lines.append(describe_right(content["right"]))
        content["accuracy_over_coverage"] = {
            name: at_shares(accuracy_by_doubt(decisions, belief)) for name, belief in beliefs.items()
        }
    if evidence is None or module.task == "multilabel":
        return lines
    rates = RATES if module.error_rate is None else (module.error_rate,)
    logits, target = outputs.logits.cpu(), outputs.target.cpu()
    try:
        evidence = evidence.of_views(module.test_time_augmentation).to(logits.device)
    except UserError:
        return [*lines, f"no sets of classes: {ONE_VIEW}"]
    content["conformal"] = set_coverage(evidence, module.expected(logits), target, module.class_names, rates)
    said = describe_coverage(content["conformal"])
    return [*lines, said] if said else lines


def _metrics(trainer: Trainer, stage: str) -> dict[str, float]:
    return {k: float(v) for k, v in sorted(trainer.callback_metrics.items()) if k.startswith(f"{stage}/")}


def _part(trainer: Trainer, stage: Literal["val", "test"]) -> str:
    """Say first that a limit has left patches out; nothing where it has not."""
    data = getattr(trainer, "datamodule", None)
    scored, of = data.scored(stage) if isinstance(data, PatchDataModule) else (0, 0)
    return f"{scored:,} of {of:,} patches: " if scored < of else ""


def _line(metrics: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())


class TestReport(Callback):
    """After a test write ``test_predictions.csv``, a row for each patch, and ``report.html``, which shows all there is.

    Where patches have places, ``test_predictions.geojson`` holds them as polygons.

    It comes after the callbacks whose pictures it shows. What cannot be written is a warning.

    Args:
        folder: the run folder.
    """

    __test__ = False  # no test of pytest's

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write both."""
        answers = self._answers(trainer, pl_module) if isinstance(pl_module, Classifier) else ""
        if not trainer.is_global_zero:
            return
        try:
            path = self.folder / "test_predictions.csv"
            if answers:
                with writing(path, optional=True):
                    write_text(path, answers)
                    write_polygons(path, trainer)
            print(f"report: {write_report(self.folder)}", file=sys.stderr)
        except UserError as error:
            warnings.warn(f"there is no report: {error}", stacklevel=2)

    def _answers(self, trainer: Trainer, module: Classifier) -> str:
        epoch_outputs = module.test_scores.epoch_outputs()
        probabilities = module.postprocessing.probabilities(epoch_outputs.logits)
        true = module.rules.names_of(epoch_outputs.target)
        files = trainer.datamodule.files(epoch_outputs.indices.tolist())  # type: ignore[attr-defined]
        found = module.with_familiarity(probabilities, epoch_outputs.familiarity)
        rows = zip(files, true, module.prediction_rows(found), strict=True)
        head = ["file", "true", *module.prediction_columns()]
        return csv_text([head, *([file, name, *row] for file, name, row in rows)])
