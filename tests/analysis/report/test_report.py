"""Reports are made of what a run folder holds, whatever that is."""

import base64
import csv
import io
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from PIL import Image

from eurosat_cls.analysis.report.compare import mcnemar, write_comparison
from eurosat_cls.analysis.report.html import Table, write_page
from eurosat_cls.analysis.report.page import write_report
from eurosat_cls.analysis.report.run import read_run
from eurosat_cls.utils.errors import UserError
from tests.conftest import subprocess_env

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")
PICTURES = ("--pictures", "[{class_path: ConfusionMatrix}, {class_path: LearningCurves}]")

# Two processes that do the same at once, and import once.
TWICE = """
import os, sys
import eurosat_cls.cli.run
from eurosat_cls.cli import main
other = os.fork()
main(sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) if other else 0)
"""


def images(page: str) -> list[Image.Image]:
    """Pictures of a page, decoded."""
    found = re.findall(r'src="data:image/\w+;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


@pytest.mark.slow
def test_a_test_writes_a_page_with_everything_in_it(run: Run) -> None:
    assert run("fit", *PICTURES)[0] == 0
    assert run("test", "--ckpt_path", "best", *PICTURES)[0] == 0
    page = (RUN / "report.html").read_text()
    assert len(page) < 3_000_000
    assert "http" not in re.sub(r"data:image[^\"]+", "", page), "nothing is fetched"
    assert "<script" not in page
    trained = "2 of 2 epochs", "trained in", "of 120 in each epoch (all)", "random, SHA-256 "
    for text in ("test/accuracy", "DemoRiver", *trained, "class_path: eurosat_cls"):
        assert text in page, text
    assert len(images(page)) == len(list(RUN.glob("*.png"))) >= 3
    with open(RUN / "test_predictions.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 40
    hits = sum(row["true"] == row["predicted"] for row in rows)
    accuracy = read_run(RUN).metrics["test/accuracy"]
    assert hits / 40 == pytest.approx(accuracy)


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_answers_are_calibrated_where_those_of_predict_are(run: Run) -> None:
    for calibrate in ("false", "true"):
        for command in ("test", "predict"):
            options = ("--ckpt_path", "best", "--pictures", "[]", "--model.init_args.calibrate", calibrate)
            assert run(command, *options)[0] == 0
        found = []
        for name in ("test_predictions.csv", "predictions.csv"):
            with open(RUN / name, encoding="utf-8", newline="") as stream:
                found.append({row["file"]: row["confidence"] for row in csv.DictReader(stream)})
        assert found[0] == found[1]
        if calibrate == "false":
            plain = found[0]
    assert found[0] != plain


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_two_tests_of_one_run_at_once_leave_whole_files(quick: list[str]) -> None:
    command = [sys.executable, "-c", TWICE, "test", *quick, "--ckpt_path", "best", *PICTURES]
    env = {**subprocess_env(), "OMP_NUM_THREADS": "1"}  # a process with threads cannot be forked
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
    pictures = list(RUN.glob("*.png"))
    assert pictures
    for picture in pictures:
        Image.open(picture).load()
    page = (RUN / "report.html").read_text()
    assert page.rstrip().endswith("</html>")
    assert len(images(page)) == len(pictures)
    with open(RUN / "test_predictions.csv", encoding="utf-8", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 40
    assert not list(RUN.glob(".*.part"))


def a_run(folder: Path, tested: bool = True, multilabel: bool = False) -> Path:
    """A run folder with all default pictures, each a size of its own, but for a copy of one of them."""
    (folder / "config.yaml").write_text("data: {init_args: {task: multilabel}}" if multilabel else "model: {}")
    counts = {part: {"Forest": n, "River": n} for part, n in (("train", 1500), ("val", 300), ("test", 300))}
    machine = {"cpu": "a CPU", "cores": 4, "threads": 2}
    training = {"epochs": 3, "seconds": 4330.0, "device": "H200", "patches": 750, "of": 3000, "processes": 2}
    about = {"machine": machine, "training": training, "data": {"source": "a.zip", "patches": counts}}
    (folder / "environment.json").write_text(json.dumps(about))
    score = {"images": 300, "precision": 0.5, "recall": 1.0, "f1": None}
    if tested:
        matrix = [[[1, 0], [0, 1]]] * 2 if multilabel else [[1, 0], [0, 1]]
        per_class = {"Forest": score, "River": score}
        (folder / "test.json").write_text(json.dumps({"per_class": per_class, "confusion_matrix": matrix}))
    stages = ("val", "test") if tested else ("val",)
    staged = [f"{name}_{s}" for s in stages for name in ("calibration", "confusion_matrix", "labels", "roc")]
    for n, name in enumerate(["class_scores", "curves", "gradcam", "lr_find", "misclassified", *staged]):
        Image.new("RGB", (n + 1, 5)).save(folder / f"{name}.png")
    if tested:
        shutil.copyfile(folder / "calibration_test.png", folder / "calibration.png")
    return folder


def test_a_report_begins_with_the_test_and_ends_with_the_validation_folded_away(tmp_path: Path) -> None:
    page = write_report(a_run(tmp_path)).read_text()
    before, classes, validation = re.split("<h2>Pictures of the classes</h2>|<details><summary><h2>Validation", page)
    captions = [re.findall("<figcaption>(.+?)</figcaption>", part) for part in (before, classes, validation)]
    assert [len(part) for part in captions] == [6, 3, 4], "each picture once"
    assert captions[0][0].startswith("In the test, each row")
    assert all("validation" in caption for caption in captions[2])
    for caption in itertools.chain(*captions):
        assert caption[0].isupper(), caption
        assert caption.endswith("."), caption


def test_a_report_says_at_its_top_how_long_on_what_and_with_how_many_patches_was_trained(tmp_path: Path) -> None:
    top = write_report(a_run(tmp_path)).read_text().split("<h2>")[0]
    for text in ("1 h 12 min", "2 x H200", "750 of 3,000 in each epoch (25 %)", "a.zip"):
        assert text in top
    (tmp_path / "environment.json").write_text('{"machine": {"cpu": "a CPU", "cores": 4, "threads": 2}}')
    top = write_report(tmp_path).read_text().split("<h2>")[0]
    assert "a CPU, 2 of 4 cores" in top, "of a run of an earlier version"
    assert "in each epoch" not in top


def test_without_a_test_the_validation_is_what_is_shown(tmp_path: Path) -> None:
    page = write_report(a_run(tmp_path, tested=False)).read_text()
    assert "<h2>Validation" not in page
    assert page.count(">In the last validation, ") == 4
    assert "not tested yet" in page


@pytest.mark.parametrize("tested", [True, False])
def test_a_matrix_of_labels_is_not_called_one_of_classes(tmp_path: Path, tested: bool) -> None:
    page = write_report(a_run(tmp_path, tested, multilabel=True)).read_text()
    assert "each row shows for one label how many patches without it" in page
    assert "taken for" not in page


def test_patches_that_were_not_all_tested_are_counted_apart(tmp_path: Path) -> None:
    page = write_report(a_run(tmp_path)).read_text()
    assert ">tested</th>" not in page
    test = json.loads((tmp_path / "test.json").read_text())
    test["per_class"]["River"]["images"] = 12
    (tmp_path / "test.json").write_text(json.dumps(test))
    assert ">tested</th>" in write_report(tmp_path).read_text()


def test_an_interrupted_run_says_so(run: Run) -> None:
    assert run("fit", *PICTURES)[0] == 0
    text = (RUN / "metrics.csv").read_text().splitlines()
    (RUN / "metrics.csv").write_text("\n".join(text[:2]) + "\n")
    page = write_report(RUN).read_text()
    assert "1 of 2 epochs; interrupted or still running; not tested yet" in page
    assert "val/accuracy" in page
    (RUN / "metrics.csv").unlink()
    (RUN / "environment.json").unlink()
    assert "0 of 2 epochs" in write_report(RUN).read_text()


@pytest.mark.slow
def test_two_runs_are_compared_patch_by_patch(run: Run, tmp_path: Path) -> None:
    for width in (8, 16):
        options = ["--model.init_args.encoder.init_args.widths", f"[{width}, 16]"]
        assert run("fit", *options)[0] == 0
        assert run("test", *options, "--ckpt_path", "best")[0] == 0
    folders = [Path("lightning_logs") / f"version_{n}" for n in range(2)]
    page = write_comparison(folders, tmp_path / "comparison.html").read_text()
    assert "version_0 against version_1" in page
    assert "model.init_args.encoder.init_args.widths" in page
    assert "[8, 16]" in page
    assert "batch_size" not in page, "what is the same is not listed"
    answers = folders[1] / "test_predictions.csv"
    answers.write_text("\n".join(answers.read_text().splitlines()[:-5]) + "\n")
    assert "not tested on the same patches" in write_comparison(folders, tmp_path / "other.html").read_text()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.yaml", "a: [", r"config.yaml:\d: not valid YAML"),
        ("config.yaml", "text", "config.yaml:1: expected settings"),
        ("test.json", "{", "test.json: cannot be read"),
        ("test.json", "[1]", "holds no names with values"),
        ("test_predictions.csv", "file,predicted\na,b\n", "test_predictions.csv: cannot be read"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / "config.yaml").write_text("model: {}\n")
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=said):
        write_report(tmp_path)


def test_a_damaged_picture_is_named_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: {}\n")
    (tmp_path / "curves.png").write_bytes(b"no picture" * 100_000)
    assert "curves.png: cannot be read" in write_report(tmp_path).read_text()


def test_what_is_no_run_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no config\.yaml"):
        write_report(tmp_path)


def test_text_is_never_taken_for_html(tmp_path: Path) -> None:
    table, nothing = Table(["<i>"], [["<i>"]]), Table(["", ""], [])
    tables = {"states": table, "metrics": table, "pairs": nothing, "differences": table}
    content = {"title": "<i>", **tables, "unpaired": ["<i>"], "side_by_side": [("<i>", ["<i>"])]}
    write_page(tmp_path / "page.html", "comparison.html", content)
    page = (tmp_path / "page.html").read_text()
    assert "<i>" not in page
    assert page.count("&lt;i&gt;") == 2 + 3 * 2 + 3


def test_a_name_that_a_template_lacks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError):
        write_page(tmp_path / "page.html", "comparison.html", {"title": "x"})


@pytest.mark.parametrize(
    ("first", "second", "p"), [(0, 0, 1.0), (5, 5, 1.0), (1, 8, 0.0390625), (10, 0, 0.001953125), (0, 1, 1.0)]
)
def test_mcnemar_is_the_binomial_test(first: int, second: int, p: float) -> None:
    assert mcnemar(first, second) == pytest.approx(p)
    assert mcnemar(second, first) == pytest.approx(p)


def test_long_counts_agree_with_short_ones() -> None:
    assert mcnemar(530, 470) == pytest.approx(mcnemar(531, 470), rel=0.2)
    assert mcnemar(800, 700) < 0.05 < mcnemar(760, 740)
