"""The report of one run."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from eurosat_cls.analysis.class_scores import format_score
from eurosat_cls.analysis.report.html import Picture, Table, read_picture, write_page
from eurosat_cls.analysis.report.run import Run, read_run
from eurosat_cls.utils.errors import UserError

# Pictures in the order in which they are shown, each with the sentence below it; others come last, by name.
MAIN = {
    "confusion_matrix": "each row shows what the patches of one class were taken for; hits are on the diagonal.",
    "misclassified": "these are the errors that the network was most sure of, and the hits that it was least sure of.",
    "gradcam": "bright is where in a patch the network found what it predicted, and what is true or was next likely.",
    "locations": "the left map shows where the parts of the split lie, the right one where the errors are.",
    "calibration": "predictions of each probability should come true as often as that: on the diagonal they do.",
    "coverage": "where the most doubtful patches are left out, to the left, more of the others are right.",
    "curves": "loss, metrics and learning rate are drawn by epoch; a ring marks the best validation.",
}
CLASSES = {
    "labels": "the bars compare how often each class is there and how often it is predicted.",
    "precision_recall": "each curve trades the precision of a class for its recall, as the threshold falls.",
    "roc": "each curve shows how many patches of a class are found, at the price of how many false alarms.",
    "class_scores": "the lines show the F1 score of each class in the validations of the training.",
}
MULTILABEL = "each row shows for one label how many patches without it, and how many with it, were decided rightly."
MOST = 500  # pictures of a run
_STAGES = {"test": "In the test, ", "val": "In the last validation, ", "train": "Among the training patches, "}


class Shown(NamedTuple):
    """A picture of a run folder, or why it cannot be read, and what it is of."""

    name: str
    stage: str
    picture: Picture | str


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
    shown = list(_pictures(run))
    folded = [one for one in shown if run.test and one.stage in ("val", "train")]
    classes = [one for one in shown if one.name in CLASSES and one not in folded]
    return {
        "title": f"{run.name}: report",
        "run": run,
        "about": Table(["", ""], [[name, text] for name, text in _about(run) if text]),
        "classes": _classes(run),
        "sets": _sets(run),
        "pictures": [one.picture for one in shown if one not in (*folded, *classes)],
        "class_pictures": [one.picture for one in classes],
        "folded_pictures": [one.picture for one in folded],
        "config": yaml.safe_dump(run.config, sort_keys=False),
        "environment": json.dumps(run.environment, indent=2),
    }


def _about(run: Run) -> Iterable[tuple[str, str]]:
    """What was tested, how long, on what and with what it was trained: name and text, which may be empty."""
    tested: dict[str, Any] = run.test or {}
    data, training = run.environment.get("data", {}), run.environment.get("training", {})
    machine, execution = run.environment.get("machine", {}), run.environment.get("execution", {})
    if run.test is not None:
        yield "tested", str(tested.get("checkpoint", "a checkpoint"))
    yield "trained", run.state
    yield "trained in", format_duration(training["seconds"]) if "seconds" in training else ""
    if "patches" in training:
        patches, all_patches = training["patches"], training.get("of", training["patches"])
        share = f"{100 * patches / all_patches:.3g} %" if patches < all_patches else "all"
        yield "training patches", f"{patches:,} of {all_patches:,} in each epoch ({share})"
    device, processes = training.get("device", machine.get("cpu", "")), training.get("processes", 1)
    known = device and device == machine.get("cpu") and {"threads", "cores"} <= machine.keys()
    cores = f", {machine['threads']} of {machine['cores']} cores" if known else ""
    yield "hardware", f"{f'{processes} x ' if processes > 1 else ''}{device}{cores}"
    yield "precision", ", ".join(str(execution[key]) for key in ("precision", "memory_format") if key in execution)
    yield "data", str(data.get("source", ""))
    yield "split", ", SHA-256 ".join(str(data[key]) for key in ("split_method", "split_sha256") if data.get(key))
    split = tested.get("split", {})
    if split and split.get("split_sha256") != data.get("split_sha256"):
        yield "tested on another split", f"{split.get('split_method')}, SHA-256 {split.get('split_sha256')}"


def format_duration(seconds: float) -> str:
    """Return a time as a person would write it.

    Example:
        >>> format_duration(8.25), format_duration(97), format_duration(4330)
        ('8.2 s', '1 min 37 s', '1 h 12 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _classes(run: Run) -> Table:
    """Patches of each class in each part, and what the test found of them."""
    counts: dict[str, dict[str, int]] = run.environment.get("data", {}).get("patches", {})
    scores: dict[str, dict[str, float | None]] = (run.test or {}).get("per_class", {})
    tested = {name: int(score.get("images") or 0) for name, score in scores.items()}
    if scores and tested != counts.get("test"):  # a part of the test patches, or other ones
        counts = {**counts, "tested": tested}
    names = dict.fromkeys([name for part in counts.values() for name in part] + list(scores))
    keys = {"precision": "precision", "recall": "recall", "f1": "F1"} if scores else {}
    rows = [
        [name, *(f"{part.get(name, 0):,}" for part in counts.values())]
        + [format_score(scores.get(name, {}).get(key)) for key in keys]
        for name in names
    ]
    return Table(["class", *counts, *keys.values()], rows)


def _sets(run: Run) -> Table:
    """How often the sets of classes at each error rate held the truth, of all patches and of each class."""
    found: dict[str, dict[str, Any]] = (run.test or {}).get("conformal", {})
    rows = []
    for rate, one in found.items():
        parts = {"all": one, **one.get("per_class", {})}
        sizes = {"all": format_score(one.get("mean_size"))}
        rows += [
            [rate, name, f"{part.get('images', 0):,}", format_score(part.get("coverage")), _interval(part),
             sizes.get(name, "")] for name, part in parts.items()
        ]  # fmt: skip
    return Table(["error rate", "class", "images", "sets with the truth", "95 % interval", "classes of a set"], rows)


def _interval(part: dict[str, Any]) -> str:
    return " to ".join(format_score(part.get(key)) for key in ("low", "high"))


def _pictures(run: Run) -> Iterable[Shown]:
    """The pictures of a run folder in their order, each content once."""
    order = {name: place for place, name in enumerate([*MAIN, *CLASSES])}
    found = []
    if len(paths := list(run.folder.glob("*.png"))) > MOST:
        raise UserError(f"{run.folder}: has {len(paths):,} pictures, more than the {MOST} that a report shows.")
    for path in paths:
        name, _, stage = path.stem.rpartition("_")
        name, stage = (name, stage) if stage in _STAGES else (path.stem, "")
        # Those of the test come first: what has no stage may be a copy of one of them.
        found.append((order.get(name, len(order)), [*_STAGES, ""].index(stage), name, stage, path))
    seen: set[str] = set()
    for _, _, name, stage, path in sorted(found):
        caption = {**MAIN, **CLASSES}.get(name, f"the picture {path.stem.replace('_', ' ')}.")
        if name == "confusion_matrix" and run.multilabel:
            caption = MULTILABEL
        caption = f"{_STAGES.get(stage, '')}{caption}"
        try:
            picture = read_picture(path, caption[0].upper() + caption[1:])
        except UserError as error:
            yield Shown(name, stage, str(error))
            continue
        if picture.source not in seen:
            seen.add(picture.source)
            yield Shown(name, stage, picture)
