"""The figures of a test, as a table and as JSON."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from eurosat_cls.analysis.calibration import before_and_after, describe
from eurosat_cls.analysis.class_scores import counts_by_class
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.utils.files import write_json


class Report(Callback):
    """After ``test`` print a table per class and write ``test.json``; after ``validate`` print the figures.

    Args:
        folder: the run folder.
        checkpoint: the checkpoint that is tested.
        details: what else to keep in ``test.json`` (split, versions, settings), as plain data.
    """

    def __init__(self, folder: Path, checkpoint: str, details: dict[str, Any] | None = None) -> None:
        self.folder, self.checkpoint, self.details = folder, checkpoint, details or {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the figures of ``validate``; those of a training are printed by its epochs."""
        if trainer.state.fn == "validate" and trainer.is_global_zero:
            print(_line(_figures(trainer, "val")))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table and write the file."""
        figures, path = _figures(trainer, "test"), self.folder / "test.json"
        content: dict[str, Any] = {**figures, "checkpoint": self.checkpoint, **self.details}
        if isinstance(pl_module, Classifier):
            matrix = pl_module.confusion_matrix("test")
            scores = per_class(matrix, pl_module.class_names)
            logits, target, _ = pl_module.outcome("test")
            found = before_and_after(logits, target, pl_module.task, float(pl_module.temperature))
            content |= {"per_class": scores, "confusion_matrix": matrix.tolist()}
            content["calibration"] = {"applied": pl_module.calibrate, **found}
            calibration = describe(found, pl_module.calibrate)
        if not trainer.is_global_zero:
            return
        write_json(path, content)
        if "per_class" in content:
            self._print_table(scores)
            print(calibration)
        print(f"{_line(figures)}\nwritten to {path}")

    def _print_table(self, scores: dict[str, dict[str, float]]) -> None:
        table = Table("class", *(("images", "precision", "recall", "F1")), title=f"test of {self.checkpoint}")
        for column in table.columns[1:]:
            column.justify = "right"
        for name, s in scores.items():
            table.add_row(name, str(s["images"]), f"{s['precision']:.4f}", f"{s['recall']:.4f}", f"{s['f1']:.4f}")
        Console().print(table)


def per_class(matrix: Tensor, class_names: list[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and number of images of each class.

    Args:
        matrix: counts ``[K, K]``, row true and column predicted; or ``[K, 2, 2]`` likewise of each label's absence and
            presence.
        class_names: the ``K`` names.

    A score without any case (nothing predicted, or no image) is 0.
    """
    hits, true, predicted = counts_by_class(matrix)
    precision = hits / predicted.clip(1)
    recall = hits / true.clip(1)
    f1 = 2 * hits / (true + predicted).clip(1)
    return {
        name: {"images": int(true[k]), "precision": float(precision[k]), "recall": float(recall[k]), "f1": float(f1[k])}
        for k, name in enumerate(class_names)
    }


def _figures(trainer: Trainer, stage: str) -> dict[str, float]:
    return {k: float(v) for k, v in sorted(trainer.callback_metrics.items()) if k.startswith(f"{stage}/")}


def _line(figures: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
