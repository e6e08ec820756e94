"""What a run folder holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eurosat_cls.analysis.report.epoch_table import read_metrics
from eurosat_cls.checkpoints.runs import saved_settings
from eurosat_cls.config.differences import flatten
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import look_through
from eurosat_cls.utils.limits import COUNT, NUMBER, SECONDS, TEXT, checked, read_object, read_rows

# The form of what is used of environment.json and test.json; what else is there is only shown.
_SPLIT = {"split_method": TEXT, "split_sha256": TEXT}
ENVIRONMENT = {
    "data": {"source": TEXT, **_SPLIT, "patches": {"*": {"*": COUNT}}},
    "training": {"seconds": SECONDS, "patches": COUNT, "of": COUNT, "processes": COUNT, "device": TEXT},
    "machine": {"cpu": TEXT, "threads": COUNT, "cores": COUNT},
    "execution": {},
}
_SCORES = {"images": COUNT, "precision": NUMBER, "recall": NUMBER, "f1": NUMBER}
_SHARE = {"images": COUNT, "coverage": NUMBER, "low": NUMBER, "high": NUMBER}
TEST = {
    "checkpoint": TEXT, "split": _SPLIT, "patches": {"scored": COUNT, "of": COUNT}, "per_class": {"*": _SCORES},
    "conformal": {"*": {**_SHARE, "mean_size": NUMBER, "per_class": {"*": _SHARE}}},
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A run folder, as far as it has got.

    Attributes:
        folder: where it is.
        config: the whole configuration.
        environment: what ``environment.json`` holds; empty when there is none.
        test: what ``test.json`` holds; None before a test.
        epochs: metrics by epoch, from 1.
        answers: by file what the test said of each patch: the true and the predicted class.
    """

    folder: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    test: dict[str, Any] | None
    epochs: dict[int, dict[str, float]]
    answers: dict[str, tuple[str, str]]

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    @property
    def planned_epochs(self) -> int | None:
        """Epochs that the configuration asks for."""
        trainer = self.config.get("trainer")
        planned = trainer.get("max_epochs") if isinstance(trainer, dict) else None
        return planned if isinstance(planned, int) and planned > 0 else None

    @property
    def state(self) -> str:
        """Say in a few words how far the run has got."""
        done, planned = max(self.epochs, default=0), self.planned_epochs
        trained = f"{done} of {planned} epochs" if planned else f"{done} epochs"
        unfinished = planned is not None and done < planned and not (self.folder / "stopped.json").is_file()
        told = f"{trained}; interrupted or still running" if unfinished else trained
        if self.test is None:
            return f"{told}; not tested yet"
        scored, of = (self.test.get("patches", {}).get(key) for key in ("scored", "of"))
        return told if scored == of else f"{told}; tested on {scored} of {of} patches only"

    @property
    def multilabel(self) -> bool:
        """Whether a patch can have several labels, as far as the test or the configuration says so."""
        matrix = (self.test or {}).get("confusion_matrix")
        if isinstance(matrix, list):
            return any(isinstance(row, list) and any(isinstance(cell, list) for cell in row) for row in matrix)
        return "multilabel" in [value for key, value in flatten(self.config).items() if key.endswith("init_args.task")]

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of the test, or of the last epoch before there is one."""
        if self.test is not None:
            return {k: v for k, v in self.test.items() if k.startswith("test/") and isinstance(v, (int, float))}
        last = self.epochs[max(self.epochs)] if self.epochs else {}
        return {name: value for name, value in last.items() if name.startswith("val/")}


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        UserError: when it is none, or one of its files is damaged.
    """
    if not (folder / "config.yaml").is_file():
        raise UserError(f"{folder} is no run folder: it has no config.yaml.")
    look_through(folder)
    return Run(
        folder=folder,
        config=saved_settings(folder),
        environment=_json(folder / "environment.json", ENVIRONMENT) or {},
        test=_json(folder / "test.json", TEST),
        epochs=read_metrics(folder / "metrics.csv"),
        answers=_answers(folder / "test_predictions.csv"),
    )


def _json(path: Path, form: Mapping[str, Any]) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    found: dict[str, Any] = checked(read_object(path), form, str(path))
    return found


def _answers(path: Path) -> dict[str, tuple[str, str]]:
    if not path.is_file():
        return {}
    try:
        return {row["file"]: (row["true"], row["predicted"]) for row in read_rows(path, 2**26)}
    except KeyError as error:
        raise UserError(f"{path}: cannot be read (it has no column {error}).") from None
