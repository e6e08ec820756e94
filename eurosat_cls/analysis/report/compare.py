"""Several runs side by side."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

from eurosat_cls.analysis.report.html import Picture, Table, read_picture, write_page
from eurosat_cls.analysis.report.run import Run, read_run
from eurosat_cls.config.differences import flatten

NOT_SETTINGS = ("trainer.logger", "trainer.default_root_dir", "checkpoint.dirpath", "ckpt_path")
TITLES = {
    "curves": "Learning curves", "confusion_matrix_test": "Confusion matrix of the test", "calibration": "Calibration",
}  # fmt: skip


def write_comparison(folders: Sequence[Path], output: Path) -> Path:
    """Write a page that compares runs: metrics, differences of configuration, and whether metrics differ by chance.

    Args:
        folders: two run folders or more.
        output: the page.

    Raises:
        UserError: when one is no run folder, a file is damaged, or the page cannot be written.
    """
    runs = [read_run(folder) for folder in folders]
    labels = _labels(runs)
    pairs, unpaired = _paired(runs, labels)
    content = {
        "title": "Comparison of runs",
        "states": Table(["run", "state"], [[label, run.state] for label, run in zip(labels, runs, strict=True)]),
        "metrics": _metrics(runs, labels),
        "pairs": pairs,
        "unpaired": unpaired,
        "differences": _differences(runs, labels),
        "side_by_side": [(title, found) for name, title in TITLES.items() if (found := _pictures(name, runs, labels))],
    }
    write_page(output, "comparison.html", content)
    return output


def _labels(runs: Sequence[Run]) -> list[str]:
    """Names of the folders, with as much of the path before them as tells them apart."""
    for depth in range(1, 8):
        labels = ["/".join(run.folder.resolve().parts[-depth:]) for run in runs]
        if len(set(labels)) == len(labels):
            break
    return labels


def _pictures(name: str, runs: Sequence[Run], labels: Sequence[str]) -> list[Picture]:
    found = [(run.folder / f"{name}.png", label) for label, run in zip(labels, runs, strict=True)]
    return [read_picture(path, label) for path, label in found if path.is_file()]


def _metrics(runs: Sequence[Run], labels: Sequence[str]) -> Table:
    names = list(dict.fromkeys(name for run in runs for name in run.metrics))
    rows = [[name, *(f"{run.metrics[name]:.4f}" if name in run.metrics else "" for run in runs)] for name in names]
    return Table(["metric", *labels], rows)


def _paired(runs: Sequence[Run], labels: Sequence[str]) -> tuple[Table, list[str]]:
    """McNemar's exact test for every two runs that were tested on the same patches, and why others have none."""
    rows, unpaired = [], []
    for (a, first), (b, second) in itertools.combinations(zip(labels, runs, strict=True), 2):
        shared = first.answers.keys() & second.answers.keys()
        if not shared or len(shared) < max(len(first.answers), len(second.answers)):
            unpaired.append(
                f"{a} and {b} were not tested on the same patches: their metrics cannot be compared in pairs."
            )
            continue
        if any(first.answers[file][0] != second.answers[file][0] for file in shared):
            unpaired.append(f"{a} and {b} have other true classes for the same files.")
            continue
        right = [(_right(first.answers[file]), _right(second.answers[file])) for file in shared]
        only_a, only_b = right.count((True, False)), right.count((False, True))
        p = mcnemar(only_a, only_b)
        counts = [f"{len(shared):,}", str(only_a), str(only_b), f"{p:.4f}"]
        rows.append([f"{a} against {b}", *counts, _verdict(p, only_a - only_b, a, b)])
    head = ["runs", "same patches", "only the first right", "only the second right", "p", ""]
    return Table(head, rows), unpaired


def _right(answer: tuple[str, str]) -> bool:
    return answer[0] == answer[1]


def _verdict(p: float, lead: int, a: str, b: str) -> str:
    return f"{a if lead > 0 else b} is better" if p < 0.05 else "no difference shown"


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's exact test.

    Args:
        only_first: patches that only the first of two classifiers got right.
        only_second: patches that only the second got right.

    Source: McNemar, Psychometrika 12, 1947, in its exact binomial form.

    Example:
        >>> round(mcnemar(1, 8), 4), mcnemar(0, 0)
        (0.0391, 1.0)
    """
    count, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(count, k) for k in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**count)) if count <= 1000 else _normal(count, fewer)


def _normal(count: int, fewer: int) -> float:
    """The same by the normal distribution with continuity correction, where the exact numbers grow too long."""
    z = (abs(count / 2 - fewer) - 0.5) / math.sqrt(count / 4)
    return min(1.0, math.erfc(max(z, 0.0) / math.sqrt(2)))


def _differences(runs: Sequence[Run], labels: Sequence[str]) -> Table:
    flat = [flatten(run.config, lists=True) for run in runs]
    keys = list(dict.fromkeys(key for settings in flat for key in settings))
    differing = [
        key
        for key in keys
        if len({repr(settings.get(key)) for settings in flat}) > 1 and not key.startswith(NOT_SETTINGS)
    ]
    rows = [[key, *(str(settings.get(key, "(not set)")) for settings in flat)] for key in differing]
    return Table(["key", *labels], rows)
