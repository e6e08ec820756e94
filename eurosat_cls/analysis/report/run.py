"""What a run folder holds."""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from eurosat_cls.analysis.report.epoch_table import read_metrics
from eurosat_cls.config.differences import flatten
from eurosat_cls.config.files import read
from eurosat_cls.config.former_names import present_settings
from eurosat_cls.config.limits import LONGEST_NUMBER, read_bytes
from eurosat_cls.config.tree import plain
from eurosat_cls.utils.errors import UserError

MOST_JSON = 2**24  # bytes
FILES = ("config.yaml", "environment.json", "test.json", "metrics.csv", "test_predictions.csv")


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
        patches = self.test.get("patches")
        scored, of = (patches.get(key) for key in ("scored", "of")) if isinstance(patches, dict) else (None, None)
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
    for name in FILES:
        if (folder / name).is_symlink():
            raise UserError(f"{folder / name}: refused, it is a link; a report would show what lies elsewhere.")
    return Run(
        folder=folder,
        config=present_settings(plain(read(str(folder / "config.yaml")))),
        environment=_json(folder / "environment.json", _ENVIRONMENT) or {},
        test=_json(folder / "test.json", _TEST),
        epochs=read_metrics(folder / "metrics.csv"),
        answers=_answers(folder / "test_predictions.csv"),
    )


# What is looked at in these files, by key or, under str, by any key; a tuple has types of which one is right.
_SCORES = {"images": (int, NoneType), **dict.fromkeys(("precision", "recall", "f1"), (int, float, NoneType))}
_TRAINING = {"seconds": (int, float), "device": str, **dict.fromkeys(("patches", "of", "processes"), int)}
_ENVIRONMENT = {"data": {"patches": {str: {str: int}}}, "training": _TRAINING, "machine": {}, "execution": {}}
_TEST = {"split": {}, "per_class": {str: _SCORES}}


def _json(path: Path, shape: Mapping[Any, Any]) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(read_bytes(path, MOST_JSON).decode())
        json.dumps(content, ensure_ascii=False).encode()  # half a pair of characters can be read, and not be written
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error).removeprefix(f"{path}: ").splitlines()[0]
        raise UserError(f"{path}: cannot be read ({reason}).") from None
    if not _conforms(content, shape):
        raise UserError(f"{path}: cannot be read (it holds other things than a run writes).")
    return dict(content)


def _conforms(value: Any, shape: Any) -> bool:
    if isinstance(shape, Mapping):
        return isinstance(value, dict) and all(
            _conforms(item, shape.get(key, shape.get(str, object))) for key, item in value.items()
        )
    too_long = isinstance(value, int) and value.bit_length() > LONGEST_NUMBER
    endless = shape is not object and isinstance(value, float) and not math.isfinite(value)
    return isinstance(value, shape) and not too_long and not endless


def _answers(path: Path) -> dict[str, tuple[str, str]]:
    if not path.is_file():
        return {}
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return {row["file"]: (row["true"], row["predicted"]) for row in csv.DictReader(stream)}
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({type(error).__name__} {error}).") from None
