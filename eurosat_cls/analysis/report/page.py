"""The report of one run."""

import json
from pathlib import Path
from typing import Any

import yaml

from eurosat_cls.analysis.class_scores import format_score
from eurosat_cls.analysis.report.html import Picture, Table, read_picture, write_page
from eurosat_cls.analysis.report.run import Run, read_run
from eurosat_cls.utils.errors import UserError

# Pictures in the order in which they are shown; others follow by name.
CAPTIONS = {
    "curves": "Learning curves",
    "confusion_matrix_test": "Confusion matrix of the test",
    "confusion_matrix_val": "Confusion matrix of the last validation",
    "class_scores": "F1 of each class by epoch",
    "calibration": "Calibration: how often the network is right when it says how sure it is",
    "misclassified": "The most confident errors, and the least certain hits",
    "gradcam": "Where the network looked",
}


def write_report(folder: Path) -> Path:
    """Write ``report.html`` into a run folder, from what is there; return its path.

    Raises:
        UserError: when it is no run folder, a file in it is damaged, or the report cannot be written.
    """
    run = read_run(folder)
    path = folder / "report.html"
    write_page(path, "run.html", _content(run))
    return path


def _content(run: Run) -> dict[str, object]:
    test = run.test or {}
    return {
        "title": f"{run.name}: report",
        "run": run,
        "checkpoint": test.get("checkpoint", "a checkpoint"),
        "data": _data(run),
        "classes": _classes(test["per_class"]) if "per_class" in test else None,
        "pictures": _pictures(run.folder),
        "config": yaml.safe_dump(run.config, sort_keys=False),
        "environment": json.dumps(run.environment, indent=2),
    }


def _data(run: Run) -> list[Table]:
    data: dict[str, Any] = run.environment.get("data", {})
    tested = (run.test or {}).get("split", {})
    rows = [
        [name.replace("_", " "), str(data[name])]
        for name in ("source", "split_method", "split_sha256")
        if data.get(name)
    ]
    if tested and tested.get("split_sha256") != data.get("split_sha256"):
        rows.append(["tested on another split", f"{tested.get('split_method')}, {tested.get('split_sha256')}"])
    counts: dict[str, dict[str, int]] = data.get("patches", {})
    tables = [Table(["", ""], rows)]
    if counts:
        names = list(next(iter(counts.values())))
        lines = [[name, *(f"{counts[part].get(name, 0):,}" for part in counts)] for name in names]
        tables.append(Table(["patches", *counts], lines))
    return tables


def _classes(scores: dict[str, dict[str, float | None]]) -> Table:
    lines = [
        [name, f"{s.get('images') or 0:,}", *(format_score(s.get(key)) for key in ("precision", "recall", "f1"))]
        for name, s in scores.items()
    ]
    return Table(["class", "patches", "precision", "recall", "F1"], lines)


def _pictures(folder: Path) -> list[Picture | str]:
    """Return the pictures of a run folder; in place of one that cannot be read stands why."""
    found = {path.stem: path for path in sorted(folder.glob("*.png"))}
    order = [name for name in CAPTIONS if name in found] + [name for name in found if name not in CAPTIONS]
    shown: list[Picture | str] = []
    for name in order:
        try:
            shown.append(read_picture(found[name], CAPTIONS.get(name, name.replace("_", " ").capitalize())))
        except UserError as error:
            shown.append(str(error))
    return shown
