"""What the tests of several runs say of patches that these were not trained on, brought together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eurosat_cls.checkpoints.runs import saved_settings
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import look_through
from eurosat_cls.utils.limits import TABLE, TEXT, checked, read_object, read_rows
from eurosat_cls.utils.names import some

FOLDS = "folds.csv"
_HEAD = ["file", "true", "predicted", "confidence"]  # before the classes
_SPLIT = dict.fromkeys(("source", "fingerprint", "split_sha256", "labels"), TEXT)


@dataclass(frozen=True)
class OutOfFold:
    """Answers of ``S`` seeds about ``N`` patches.

    Attributes:
        files: ``[N]`` names.
        class_names: ``[K]`` names.
        given: int64 ``[N]``, the labels.
        probabilities: float64 ``[N, S, K]``; NaN where a seed has no answer.
        run: the first of the runs.
        fingerprint: of their data.
        labels: what tells corrected labels from others; None for those as published.
    """

    files: list[str]
    class_names: list[str]
    given: np.ndarray
    probabilities: np.ndarray
    run: Path
    fingerprint: str | None
    labels: str | None

    @property
    def mean(self) -> np.ndarray:
        """Probabilities averaged over the seeds that have an answer, ``[N, K]``."""
        mean: np.ndarray = np.nanmean(self.probabilities, axis=1)
        return mean

    def agreeing(self, classes: np.ndarray) -> np.ndarray:
        """Count the seeds that find these classes ``[N]`` the most probable, int64 ``[N]``."""
        known = ~np.isnan(self.probabilities[:, :, 0])
        best = np.nan_to_num(self.probabilities, nan=-1.0).argmax(2)
        agreeing: np.ndarray = ((best == classes[:, None]) & known).sum(1)
        return agreeing


def read_answers(folders: Sequence[Path]) -> OutOfFold:
    """Read the answers of run folders, and of the runs in the folders of cross-validations.

    Runs of one seed may not have tested the same patch; what several seeds say of a patch is kept side by side.

    Raises:
        UserError: for folders of other kinds, runs without a test, or with one on another split than the trained one,
            runs of different data, labels or classes, and tests that overlap.
    """
    runs = [run for folder in folders for run in _runs(folder)]
    if len({run.resolve() for run in runs}) < len(runs):
        raise UserError("audit: the same run is named twice.")
    states = [_state(run) for run in runs]
    for run, state in zip(runs[1:], states[1:], strict=True):
        for key, words in (("fingerprint", "data"), ("labels", "corrected labels")):
            if state.get(key) != states[0].get(key):
                raise UserError(f"{run} and {runs[0]} are of different {words}: audit those of one kind together.")
    by_seed: dict[object, dict[str, tuple[Path, np.ndarray]]] = {}
    given: dict[str, str] = {}
    names: list[str] = []
    for run in runs:
        own = by_seed.setdefault(saved_settings(run).get("seed_everything"), {})
        rows = read_rows(run / "test_predictions.csv", TABLE)
        head = list(rows[0]) if rows else []
        if head[:4] != _HEAD:
            raise UserError(f"{run / 'test_predictions.csv'}: is no table of a test's answers.")
        classes = classes_of(run, head)
        names = names or classes
        if classes != names:
            raise UserError(f"{run} and {runs[0]} have different classes.")
        if twice := [row["file"] for row in rows if row["file"] in own]:
            theirs = own[twice[0]][0]
            raise UserError(
                f"{run} and {theirs}, of one seed, have both tested {len(twice):,} patches, such as {some(twice, 1)}: "
                "give runs whose test parts do not overlap, or whose seeds differ."
            )
        for row in rows:
            own[row["file"]] = run, _numbers(row, names, run)
            if row["true"] not in names or given.setdefault(row["file"], row["true"]) != row["true"]:
                raise UserError(f"{run}: {row['file']} is {row['true']!r}, which no class or another run's label is.")
    files = list(given)
    nothing = (runs[0], np.full(len(names), np.nan))
    answers = [[own.get(file, nothing)[1] for own in by_seed.values()] for file in files]
    labels = np.array([names.index(given[file]) for file in files], dtype=np.int64)
    state = states[0]
    return OutOfFold(files, names, labels, np.array(answers), runs[0], state.get("fingerprint"), state.get("labels"))


def classes_of(run: Path, head: Sequence[str]) -> list[str]:
    """Return which columns of a test's answers are classes: those that the test has scored, else all after four."""
    path = run / "test.json"
    return list(checked(read_object(path), {"per_class": {}}, str(path)).get("per_class", head[4:]))


def _runs(folder: Path) -> list[Path]:
    """The runs that a folder stands for: itself, or the folds of a cross-validation."""
    if (folder / "config.yaml").is_file():
        return [look_through(folder)]
    if not (folder / FOLDS).is_file():
        raise UserError(f"{folder} is neither a run folder (config.yaml) nor one of search --folds ({FOLDS}).")
    look_through(folder)
    found = [folder / Path(row.get("folder", "")).name for row in read_rows(folder / FOLDS)]
    if missing := [run for run in found if not (run / "config.yaml").is_file()]:
        raise UserError(f"{folder / FOLDS}: lists {some([str(run) for run in missing], 2)}, which is no run folder.")
    return found


def _state(run: Path) -> Mapping[str, Any]:
    """What the test of a run says of its data and split."""
    if not (run / "test_predictions.csv").is_file():
        raise UserError(f"{run} has no test_predictions.csv: test it first, as audit needs answers on unseen patches.")
    test = read_object(run / "test.json")
    if any(isinstance(cell, list) for row in test.get("confusion_matrix", ()) for cell in row):
        raise UserError(f"{run}: audit is for patches with one label each, not for several.")
    state = checked(test, {"split": _SPLIT}, str(run / "test.json")).get("split", {})
    environment = run / "environment.json"
    trained = read_object(environment).get("data", {}) if environment.is_file() else {}
    if trained.get("split_sha256", state.get("split_sha256")) != state.get("split_sha256"):
        raise UserError(f"{run} was tested on another split than it was trained on: it may have seen these patches.")
    found: Mapping[str, Any] = state
    return found


def _numbers(row: Mapping[str, str], names: Sequence[str], run: Path) -> np.ndarray:
    try:
        numbers = np.array([float(row[name]) for name in names])
    except ValueError:
        numbers = np.array([np.nan])
    if np.isnan(numbers).any():
        raise UserError(f"{run}: test_predictions.csv: {row['file']} has no probabilities.")
    return numbers
