"""The command ``statistics``: metrics of the data without training anything."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eurosat_cls import Trainer, UserError
from eurosat_cls.data import Demo
from eurosat_cls.data.splits import Split
from eurosat_cls.data.store.store import Store
from tests.conftest import BARE

Run = Callable[..., tuple[int, str]]


def test_metrics_are_printed_and_written(run: Run) -> None:
    code, printed = run("statistics")
    assert code == 0
    for head in ("band", "nm", "mean", "std", "min", "1 %", "median", "99 %", "max", "train", "val", "test"):
        assert head in printed
    (path,) = Path("lightning_logs/data").glob("*/statistics.json")
    content = json.loads(path.read_text())
    assert str(path) in printed
    assert content["split_sha256"] in printed
    assert content["split_method"] == "random"
    assert content["patches"] == {"train": 120, "val": 40, "test": 40}
    assert list(content["bands"]) == ["B04", "B03", "B02"]

    data = Demo(20)
    values = data.store.images[data.split.train].astype(float)
    for c, (name, band) in enumerate(content["bands"].items()):
        assert band["mean"] == pytest.approx(values[:, c].mean())
        assert band["std"] == pytest.approx(values[:, c].std())
        assert band["percentiles"]["25"] == pytest.approx(np.percentile(values[:, c], 25))
        assert f"│ {name}" in printed
        assert f"{band['std']:.2f}" in printed
    assert content["bands"]["B04"]["wavelength_nm"] == pytest.approx(665, abs=1)
    river = content["classes"]["DemoRiver"]
    assert (river["train"], river["val"], river["test"]) == (12, 4, 4)
    members = data.store.images[data.split.train[data.store.labels[data.split.train] == 8]]
    assert river["mean"] == pytest.approx(members.mean(axis=(0, 2, 3)).tolist())


def test_no_run_is_made_and_no_checkpoint_asked_for(run: Run) -> None:
    code, printed = run("statistics")
    assert code == 0
    assert [path.name for path in Path("lightning_logs").iterdir()] == ["data"]
    assert "running with" not in printed


def test_another_folder_can_be_named(run: Run) -> None:
    assert run("statistics", "--output", "there/deep")[0] == 0
    assert Path("there/deep/statistics.json").is_file()
    assert not Path("lightning_logs").exists()


def test_a_folder_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, printed = run("statistics", "--output", "file/below")
    assert code == 2
    assert "file/below" in printed.splitlines()[-1]


def test_a_misspelt_option_is_refused(run: Run) -> None:
    code, printed = run("statistics", "--outptu", "x")
    assert code == 2
    assert "outptu" in printed


def test_it_works_from_python_and_needs_patches(capsys: pytest.CaptureFixture[str]) -> None:
    trainer = Trainer(accelerator="cpu", **BARE)
    trainer.statistics(datamodule=Demo(5), output="here")
    assert Path("here/statistics.json").is_file()
    with pytest.raises(UserError, match="data module of patches"):
        trainer.statistics()


class TwoLabels(Demo):
    """Demo patches that also are water, or nothing."""

    def open_store(self) -> Store:
        store = super().open_store()
        hot = np.eye(10, dtype=np.uint8)[store.labels]
        hot[::10] = 0
        hot[1::10, 9] = 1
        return replace(store, labels=hot)


def test_patches_of_several_labels_or_none_are_counted_so(capsys: pytest.CaptureFixture[str]) -> None:
    data = TwoLabels(20)
    rows = np.arange(200)
    data.__dict__["split"] = Split(rows[:120], rows[120:160], rows[160:], "1" * 64, "lists")
    Trainer(accelerator="cpu", **BARE).statistics(datamodule=data)
    printed = capsys.readouterr().out
    (path,) = Path("lightning_logs/data").glob("*/statistics.json")
    content = json.loads(path.read_text())
    assert content["classes"]["DemoSeaLake"]["train"] == 12
    lines = {line.split()[1]: line.replace("│", " ").split()[-4:] for line in printed.splitlines() if line[:1] == "│"}
    assert lines["(no"] == ["12", "4", "4", "20"]
    assert lines["patches"] == ["120", "40", "40", "200"]
    assert "a patch counts in each of its classes" in printed
