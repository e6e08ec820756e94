"""Run folders of wrong types: valid ones, of which a seed changes a value, or some bytes."""

import copy
import json
import os
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from eurosat_cls import UserError
from eurosat_cls.analysis.report.compare import write_comparison
from eurosat_cls.analysis.report.page import write_report

CONFIG = {
    "seed_everything": 0, "trainer": {"max_epochs": 2, "devices": 1}, "pictures": [{"class_path": "A"}],
    "model": {"class_path": "C", "init_args": {"task": "multilabel", "encoder": {"class_path": "R", "init_args": {}}}},
}  # fmt: skip
SCORES = {"images": 3, "precision": 0.5, "recall": 1.0, "f1": None}
JSON: dict[str, Any] = {
    "environment.json": {
        "data": {"source": "x", "split_method": "m", "split_sha256": "a", "patches": {"train": {"a": 1}}},
        "training": {"seconds": 3.5, "patches": 10, "of": 20, "processes": 1, "device": "cpu", "epochs": 2},
        "machine": {"cpu": "cpu", "threads": 2, "cores": 2}, "execution": {"precision": "32", "memory_format": "c"},
    },
    "test.json": {
        "test/accuracy": 0.5, "checkpoint": "best.ckpt", "split": {"split_method": "m", "split_sha256": "b"},
        "patches": {"scored": 3, "of": 4}, "per_class": {"a": SCORES, "b": SCORES}, "confusion_matrix": [[1, 2]],
    },
}  # fmt: skip
CSV = {
    "metrics.csv": "epoch,val/loss,lr\n1,0.5,0.1\n2,0.25,\n",
    "test_predictions.csv": 'file,true,predicted\na/1.png,a,b\n"b,2.png",b,b\n',
}
ODD: list[Any] = [
    None, True, 0, -1, 3, 10**15, 10**400, 1e300, float("nan"), float("inf"), "", "x", "\ud800", "\x1b[2J\0",
    "a" * 5000, [], [1], [[]], ["x", None], {}, {"a": 1}, {"": {"": {"": 0}}}, "9" * 5000,
    "2001-99-99", "!!binary aGk=",
]  # fmt: skip


TAGGED = ("a: 2001-01-01", "a: 1" + ":59" * 3000, "a: &a [*a]", "? [1]\n: 2", "a: !!set {x}", "<<: 3", "- 1")


def places(value: Any) -> list[tuple[Any, Any]]:
    """Where a value can be changed: containers, each with a key of it."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [(value, key) for key, _ in items] + [place for _, item in items for place in places(item)]


def write_odd_run(folder: Path, seed: int) -> None:
    """Write a run folder in which this seed has changed something."""
    draw = random.Random(seed)
    folder.mkdir(parents=True)
    contents: dict[str, Any] = copy.deepcopy({"config.yaml": CONFIG, **JSON})
    for _ in range(draw.randint(1, 3)):
        container, key = draw.choice(places(contents[draw.choice(list(contents))]))
        container[key] = copy.deepcopy(draw.choice(ODD))
    texts = {name: json.dumps(content) for name, content in contents.items()}
    with_tags = draw.random() < 0.2  # YAML that JSON is not: dates, sexagesimal numbers, anchors
    texts["config.yaml"] = (
        draw.choice(
            ["a: 2001-01-01", "a: 1" + ":59" * 3000, "a: &a [*a]", "? [1]\n: 2", "a: !!set {x}", "<<: 3", "- 1"]
        )
        if with_tags
        else _yaml(contents["config.yaml"])
    )
    for name, text in {**texts, **CSV}.items():
        content = bytearray(text.encode("utf-8", "surrogatepass"))
        if name in CSV or draw.random() < 0.1:
            for _ in range(draw.choice([0, 0, 1, 5])):
                content[draw.randrange(len(content))] = draw.choice(b'\0"\n,;{[]}\xff9e-:&*')
            content = content[: draw.choice([len(content), len(content), draw.randrange(len(content) + 1)])]
        if draw.random() < 0.9 or name == "config.yaml":
            (folder / name).write_bytes(content)
    picture = draw.choice([b"no", b"", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\2\0\0\0", None])
    if picture is not None:
        (folder / "curves.png").write_bytes(picture)
    if draw.random() < 0.05:
        draw.choice([os.mkfifo, os.mkdir])(folder / "gradcam.png")


def _yaml(content: Any) -> str:
    try:
        return yaml.safe_dump(content)
    except ValueError:  # a number of more digits than Python writes
        return "a: " + "9" * 5000


def report_odd_runs(place: Path, seeds: range) -> dict[int, str]:
    """Write reports and comparisons of odd runs; return what went wrong but for errors that name the mistake."""
    wrong = {}
    for seed in seeds:
        shutil.rmtree(place, ignore_errors=True)
        write_odd_run(place / "a", seed)
        write_odd_run(place / "b", seed + 1)
        for attempt in (
            lambda: write_report(place / "a"),
            lambda: write_comparison([place / "a", place / "b"], place / "c.html"),
        ):
            try:
                attempt()
            except UserError as error:
                if not str(error) or len(str(error)) > 1000:
                    wrong[seed] = f"says too much or nothing: {str(error)[:80]}"
            except Exception as error:
                wrong[seed] = f"{type(error).__name__}: {error}"[:200]
    return wrong


if __name__ == "__main__":
    wrong = report_odd_runs(Path(sys.argv[1]), range(int(sys.argv[2]), int(sys.argv[3])))
    sys.exit("\n".join(f"seed {seed}: {what}" for seed, what in wrong.items()) or 0)
