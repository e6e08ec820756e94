"""The command as it is typed: it survives SIGKILL, sweeps seeds, and tells mistakes in a line."""

import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from eurosat_cls.analysis.report.epoch_table import read_metrics
from eurosat_cls.cli.configuration import merged
from eurosat_cls.search.command import _parser, _plan
from eurosat_cls.search.configuration import check_space, read_base
from tests.conftest import CONFIGS, CURVES, exit_code, subprocess_env
from tests.test_readme import commands

FOLDER = Path("lightning_logs/search_space")
RATE = "model.init_args.lr_scheduler.init_args.max_lr"
SPACE = f"""
{RATE}: {{low: 0.01, high: 0.5, log: true}}
model.init_args.loss:
  - class_path: torch.nn.CrossEntropyLoss
  - class_path: FocalLoss
    init_args: {{gamma: {{low: 1.0, high: 3.0}}}}
"""


def children(parent: int) -> dict[int, str]:
    """Command lines of a process's children, by number; of those that run."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, ppid = status.read_text().rpartition(")")[2].split()[:2]
            if int(ppid) == parent and state != "Z":
                found[int(status.parent.name)] = (status.parent / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return found


def wait_for(found: Callable[[], object]) -> None:
    for _ in range(15_000):  # looks, not seconds: a machine that stands still for a while is no failure
        if found():
            return
        time.sleep(0.02)
    raise AssertionError("it does not happen")


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def space(tmp_path: Path) -> list[str]:
    (tmp_path / "space.yaml").write_text(SPACE)
    return ["--space", "space.yaml"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="looks for processes in /proc")
def test_a_killed_trial_and_a_killed_search_lose_nothing(
    quick: list[str], space: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ["search", *quick, *CURVES, *space, "--trials", "2", "--workers", "2", "--pruner", "none"]
    command += ["--trainer.max_epochs", "10"]
    with open("search.txt", "w") as told:
        parent = subprocess.Popen([sys.executable, "-m", "eurosat_cls", *command], stderr=told, env=subprocess_env())
    first = FOLDER / "trial_0" / "metrics.csv"
    wait_for(lambda: len(read_metrics(first)) >= 2)
    os.kill(next(pid for pid, line in children(parent.pid).items() if "trial_0" in line), signal.SIGKILL)
    wait_for(lambda: "tried once more" in Path("search.txt").read_text())
    wait_for(lambda: len(children(parent.pid)) == 2)
    orphans = children(parent.pid)
    parent.kill()
    parent.wait()
    wait_for(lambda: not any(Path(f"/proc/{pid}").is_dir() for pid in orphans))

    assert exit_code(command) == 0, capsys.readouterr().err
    trials = rows(FOLDER / "trials.csv")
    ended = [row for row in trials if row["state"] == "complete"]
    assert len(ended) == 2
    assert any(row["state"] == "interrupted" for row in trials)
    assert len({row[RATE] for row in trials}) == 2, "those that were interrupted are not replaced by others"
    for row in ended:
        run = Path(row["folder"])
        assert sorted(read_metrics(run / "metrics.csv")) == list(range(1, 11))
        metrics = [epoch["val/accuracy"] for epoch in read_metrics(run / "metrics.csv").values()]
        assert float(row["value"]) == max(metrics)
    best = max(ended, key=lambda row: float(row["value"]))
    config = yaml.safe_load((FOLDER / "best.yaml").read_text())
    assert config["model"]["init_args"]["lr_scheduler"]["init_args"]["max_lr"] == float(best[RATE])
    for name in ("history", "parallel"):
        with Image.open(FOLDER / f"{name}.png") as picture:
            assert picture.width > 500

    written = (FOLDER / "best.yaml").read_text()
    assert exit_code(command) == 0
    assert "2 of 2 trials have ended" in capsys.readouterr().err, "nothing runs twice"
    assert (FOLDER / "best.yaml").read_text() == written
    run = Path(best["folder"])
    tested = ["test", "--config", str(run / "config.yaml"), "--ckpt_path", str(run / "checkpoints" / "best.ckpt")]
    assert exit_code(tested) == 0
    assert (run / "report.html").is_file()


@pytest.mark.slow
def test_seeds_are_told_with_mean_and_spread(quick: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    command = ["search", *quick, "--seeds", "0,3", "--test", "--workers", "2"]
    assert exit_code(command) == 0, capsys.readouterr().err
    folder = Path("lightning_logs/search_tiny_resnet18_seeds")
    content = json.loads((folder / "seeds.json").read_text())
    assert content["seeds"] == [0, 3]
    by_seed = {row["seed"]: row for row in rows(folder / "seeds.csv")}
    for name in ("val/accuracy", "test/accuracy"):
        values = [float(by_seed[seed][name]) for seed in ("0", "3")]
        metric = content["metrics"][name]
        assert metric["low"] is metric["high"] is None, "two seeds know no interval"
        assert metric["values"] == values
        assert metric["mean"] == pytest.approx(statistics.mean(values))
        assert metric["std"] == pytest.approx(statistics.stdev(values))
    run = Path(by_seed["3"]["folder"])
    assert yaml.safe_load((run / "config.yaml").read_text())["seed_everything"] == 3
    assert json.loads((run / "test.json").read_text())["test/accuracy"] == float(by_seed["3"]["test/accuracy"])
    printed = capsys.readouterr()
    assert "95 % interval" in printed.out
    for number, seed in ((0, 0), (1, 3)):
        line = f"trial {number} starts  seed_everything {seed}  {folder}/trial_{number}/log.txt\n"
        assert printed.err.count(line) == 1
    runs = sorted(folder.glob("trial_*"))
    assert exit_code(["search", *quick, "--seeds", "3", "--test"]) == 0, "fewer seeds, all known"
    assert json.loads((folder / "seeds.json").read_text())["seeds"] == [3]
    assert sorted(folder.glob("trial_*")) == runs
    assert exit_code([*command, "--trainer.max_epochs", "5"]) == 2
    assert "trainer.max_epochs was 2, is 5" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seeds", "0-1", "--workers", "0"], "--workers 0: at least one"),
        (["--seeds", "0-1", "--pruner", "median"], "--pruner: with --seeds"),
        (["--seeds", "0-1", "--trials", "5"], "--trials: with --seeds"),
        (["--seeds", "0-1", "--grid"], "--grid needs --space"),
        (["--overlays", "space.yaml", "--test"], "--test goes with --seeds only"),
        (["--space", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["--space", "space.yaml", "--trials", "-1"], "--trials -1"),
        (["--space", "space.yaml", "--trials", "0"], "has no trials to show"),
        (["--space", "space.yaml", "--study", "a/b"], "--study: 'a/b'"),
        (["--space", "space.yaml", "--grid"], "a grid needs a step"),
        (["--space", "space.yaml", "--workrs", "2"], "--workrs"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    arguments: list[str], told: str, quick: list[str], space: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["search", *quick, *arguments]) == 2
    assert told in capsys.readouterr().err
    assert not list(Path().glob("lightning_logs/*/trial_*"))


@pytest.mark.slow
def test_the_commands_of_the_readme_fit_their_configurations(tmp_path: Path) -> None:
    (tmp_path / "configs").symlink_to(CONFIGS)
    typed = commands("docs/how-to/search.md", "search ")
    assert len(typed) == 3
    for line in typed:
        given, of_fit = _parser().parse_known_args(line[1:])
        base = read_base(of_fit, given.metric, given.mode, merged)
        check_space(base, _plan(given, base.config).space)


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_named(
    quick: list[str], space: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("lightning_logs").write_text("a file")
    assert exit_code(["search", *quick, *space]) == 2
    assert "lightning_logs/search_space: cannot be written" in capsys.readouterr().err


def test_without_optuna_the_command_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert exit_code(["search", "--seeds", "0"]) == 2
    assert "pip install 'eurosat-cls[search]'" in capsys.readouterr().err
