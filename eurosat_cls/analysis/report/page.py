"""The report of one run."""

import json
from pathlib import Path
from typing import Any

import yaml

from eurosat_cls.analysis.class_scores import format_score
from eurosat_cls.analysis.report.html import folded, heading, note, picture, table, tiles, write_page
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
    write_page(path, f"{run.name}: report", _parts(run))
    return path


def _parts(run: Run) -> list[str]:
    parts = [heading(f"Run {run.name}", 1), note(f"{run.folder.resolve()}; {run.state}"), metric_tiles(run)]
    if run.test is not None:
        parts.append(note(f"Test of {run.test.get('checkpoint', 'a checkpoint')}"))
    parts += [heading("Data and split"), _data(run)]
    if run.test is not None and "per_class" in run.test:
        parts += [heading("Classes"), _classes(run.test["per_class"])]
    pictures = pictures_of(run.folder)
    if pictures:
        parts += [heading("Pictures"), *pictures]
    parts.append(heading("Configuration and environment"))
    parts.append(folded("config.yaml", yaml.safe_dump(run.config, sort_keys=False)))
    parts.append(folded("environment.json", json.dumps(run.environment, indent=2)))
    return parts


def metric_tiles(run: Run) -> str:
    """Return the run's metrics as tiles."""
    return tiles((name, f"{value:.4f}") for name, value in run.metrics.items()) or note("No metrics yet.")


def _data(run: Run) -> str:
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
    found = table(["", ""], rows)
    if counts:
        names = list(next(iter(counts.values())))
        lines = [[name, *(f"{counts[part].get(name, 0):,}" for part in counts)] for name in names]
        found += table(["patches", *counts], lines)
    return found


def _classes(scores: dict[str, dict[str, float | None]]) -> str:
    lines = [
        [name, f"{int(s['images'] or 0):,}", *(format_score(s[key]) for key in ("precision", "recall", "f1"))]
        for name, s in scores.items()
    ]
    return table(["class", "patches", "precision", "recall", "F1"], lines)


def pictures_of(folder: Path) -> list[str]:
    """Return the pictures of a run folder; one that cannot be read is named in its place."""
    found = {path.stem: path for path in sorted(folder.glob("*.png"))}
    order = [name for name in CAPTIONS if name in found] + [name for name in found if name not in CAPTIONS]
    shown = []
    for name in order:
        try:
            shown.append(picture(found[name], CAPTIONS.get(name, name.replace("_", " ").capitalize())))
        except UserError as error:
            shown.append(note(str(error)))
    return shown
