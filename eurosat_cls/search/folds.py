"""A cross-validation: the trainings of its folds, and one table of what they say of patches that they have not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from eurosat_cls.analysis.out_of_fold import FOLDS, classes_of
from eurosat_cls.checkpoints.runs import saved_settings
from eurosat_cls.config.differences import class_name
from eurosat_cls.search.configuration import Base
from eurosat_cls.search.processes import reason_of, share_of, start
from eurosat_cls.search.queue import FOLDER
from eurosat_cls.search.rows import Row
from eurosat_cls.search.space import Choice, Entry, Params, Range, Space
from eurosat_cls.search.space_file import LARGEST_SEED, SEED, read_seeds
from eurosat_cls.search.sweep import spread_of
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import csv_text, write_json, write_text
from eurosat_cls.utils.intervals import wilson
from eurosat_cls.utils.limits import COUNT, NUMBER, TABLE, checked, read_object, read_rows

SPLIT, FOLD = "data.init_args.split", "fold"
ANSWERS, TESTED = "out_of_fold.csv", "test_predictions.csv"
MERGED = "out_of_fold"  # the run folder of what all folds say together
# Pictures that need no network: there is none that has not seen some of the patches.
_TEST = {"conformal": {"*": {"images": COUNT, "coverage": NUMBER, "mean_size": NUMBER}}}
_DRAWN = ("ConfusionMatrix", "ClassScores", "Calibration", "Misclassified", "Locations")


def read_folds(folds: int, seeds: str | None, config: Mapping[str, Any]) -> tuple[Space, list[Params]]:
    """Return the space of folds and seeds, and each fold of each seed as its points, seed by seed.

    Args:
        folds: how many there are.
        seeds: as of :func:`~eurosat_cls.search.space_file.read_seeds`; None for that of the configuration.
        config: the whole configuration.

    Raises:
        UserError: for fewer than two folds, and for data whose module has no split.
    """
    if folds < 2:
        raise UserError(f"--folds {folds}: at least two are needed.")
    if "split" not in config["data"].get("init_args", {}):
        raise UserError(f"--folds: {config['data']['class_path']} has no setting split.")
    given = config.get(SEED)
    own = given if isinstance(given, int) and not isinstance(given, bool) else 0
    points = read_seeds(str(own) if seeds is None else seeds)[1]
    each: dict[Any, Any] = {
        k: {"class_path": "eurosat_cls.data.splits.FoldSplit", "init_args": {"folds": folds, "fold": k}}
        for k in range(folds)
    }
    split = Entry(tuple(SPLIT.split(".")), FOLD, Choice(each))
    space = Space([Entry((SEED,), SEED, Range(0, LARGEST_SEED)), split])
    return space, [{**point, FOLD: k} for point in points for k in range(folds)]


def replaced_split(config: Mapping[str, Any]) -> str | None:
    """Say which split of a configuration a cross-validation takes the place of; None where that surprises nobody."""
    split = config["data"]["init_args"]["split"]
    name = class_name(split) or split
    return None if name in (None, "random", "FoldSplit") else str(name)


def write_folds(rows: Sequence[Row], folder: Path, about: str) -> None:
    """Write ``folds.csv``, ``folds.json`` and ``out_of_fold.csv``.

    ``folds.json`` has the mean of each metric over the folds, each the mean over its seeds, and the 95 % interval by
    Student's t. As the training parts of folds overlap, it is rather too narrow (Bengio and Grandvalet, JMLR 2004).
    By error rate it has how often the sets of classes held the truth, of the patches of all folds together.

    Args:
        rows: trials that have ended.
        folder: of the search, where the files go.
        about: what the metrics are of.
    """
    complete = [row for row in rows if row.state == "complete"]
    complete.sort(key=lambda row: (int(str(row.params[SEED])), int(str(row.params[FOLD]))))
    names = list(dict.fromkeys(name for row in complete for name in row.attrs["metrics"]))
    table: list[list[object]] = [["seed", "fold", "best_epoch", "folder", *names]]
    for row in complete:
        own = [row.attrs["metrics"].get(name, "") for name in names]
        place = Path(str(row.attrs.get(FOLDER, ""))).name
        table.append([row.params[SEED], row.params[FOLD], row.attrs.get("epoch", ""), place, *own])
    write_text(folder / FOLDS, csv_text(table))
    by_fold: dict[str, dict[object, list[float]]] = {name: {} for name in names}
    for row in complete:
        for name, value in row.attrs["metrics"].items():
            by_fold[name].setdefault(row.params[FOLD], []).append(float(value))
    metrics = {
        name: {**asdict(spread_of(means)), "values": means}
        for name, found in by_fold.items()
        if (means := [sum(values) / len(values) for values in found.values()])
    }
    runs = [folder / Path(str(row.attrs.get(FOLDER, ""))).name for row in complete]
    pooled = _set_coverage(runs, len({row.params[SEED] for row in complete}))
    write_json(folder / "folds.json", {"about": about, "metrics": metrics, "conformal": pooled})
    if runs:
        _merge(runs, folder)


def _set_coverage(runs: Sequence[Path], seeds: int) -> dict[str, Any]:
    """How often the sets of all runs held the truth, with Wilson's interval, in which a patch counts once.

    Error rates that some run has too few validation patches for are left out.
    """
    tests = [checked(read_object(run / "test.json"), _TEST, str(run / "test.json")) for run in runs]
    each = [test.get("conformal", {}) for test in tests]
    found = {}
    for rate in (rate for rate in each[0] if all(rate in one for one in each)) if each else ():
        images = [int(one[rate]["images"]) for one in each]
        held, size = (
            sum(one[rate].get(key, 0.0) * count for one, count in zip(each, images, strict=True))
            for key in ("coverage", "mean_size")
        )
        if total := sum(images):
            low, high = wilson(held / seeds, total / seeds)
            found[rate] = {"images": round(total / seeds), "coverage": held / total, "low": low, "high": high,
                           "mean_size": size / total}  # fmt: skip
    return found


def _merge(runs: Sequence[Path], folder: Path) -> None:
    """Write the mean probabilities over seeds of every patch, and the configuration of a test of them."""
    names: list[str] = []
    sums: dict[str, tuple[str, np.ndarray]] = {}
    for run in runs:
        for row in read_rows(run / TESTED, TABLE):
            names = names or classes_of(run, list(row))
            values = np.array([float(row[name]) for name in names])
            true, before = sums.get(row["file"], (row["true"], np.zeros(len(values) + 1)))
            sums[row["file"]] = true, before + np.append(values, 1)
    lines = [
        [file, true, *(f"{value:.6f}" for value in total[:-1] / total[-1])] for file, (true, total) in sums.items()
    ]
    write_text(folder / ANSWERS, csv_text([["file", "true", *names], *sorted(lines)]))
    config = saved_settings(runs[0])
    config["pictures"] = [each for each in config.get("pictures") or () if class_name(each) in _DRAWN]
    config["ckpt_path"] = None
    write_json(folder / MERGED / "config.yaml", config)


def test_merged(module: str, base: Base, folder: Path) -> None:
    """Test what all folds say together in a process of its own; a run folder of the search gets metrics and pictures.

    Args:
        module: that is run.
        base: what every trial has in common.
        folder: of the search.

    Raises:
        UserError: when the process fails.
    """
    place = folder / MERGED
    given = [str(folder / ANSWERS), str(place), *base.evaluating, "--config", str(place / "config.yaml")]
    process = start(module, given, place, share_of(0, 1, base.config))
    process.communicate()
    if process.returncode:
        raise UserError(f"the test of all folds: {reason_of(process.returncode, place)}")


def print_folds(folder: Path) -> None:
    """Print the metrics of all patches together, and their spread over the folds."""
    from eurosat_cls.analysis.coverage import describe_coverage, describe_right  # torch is for those who get so far

    tested, spread = read_object(folder / MERGED / "test.json"), read_object(folder / "folds.json")
    print(describe_right(tested["right"]))
    for name, value in tested.items():
        of_folds = spread["metrics"].get(name)
        if of_folds and name.startswith("test/"):
            low, high = of_folds["low"], of_folds["high"]
            interval = "" if low is None else f"; 95 % interval of the mean {low:.4f} to {high:.4f}"
            print(f"{name} {value:.4f} of all patches; over folds {of_folds['mean']:.4f}{interval}")
    if said := describe_coverage(spread["conformal"]):
        print(said)
    print(f"written: {folder / FOLDS} {folder / ANSWERS} {folder / MERGED / 'report.html'}")
