"""The map of a validation or a test is drawn where patches have places, and shows what was wrong there."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from eurosat_cls import Classifier, Trainer
from eurosat_cls.analysis.places import PatchPlaces
from eurosat_cls.analysis.plots import places as plots
from eurosat_cls.callbacks import Locations
from eurosat_cls.callbacks.predictions import write_polygons
from eurosat_cls.data import Demo, EuroSAT
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.models.predictions import EpochOutputs
from tests.conftest import BARE
from tests.data.helpers import make_tiff_tree
from tests.models.test_classifier import TINY

pytest.importorskip("pyproj")


def draw(folder: Path, data: PatchDataModule) -> None:
    """Draw a test in which every other patch is wrong."""
    trainer = Trainer(accelerator="cpu", precision="32-true", default_root_dir=folder, **BARE)
    trainer.datamodule = data  # type: ignore[attr-defined]
    rows, classes = torch.from_numpy(data.split.test), len(data.class_names)
    target = torch.from_numpy(data.store.labels)[rows]
    logits = 3.0 * torch.nn.functional.one_hot((target + torch.arange(len(target)) % 2) % classes, classes).float()
    model = Classifier(TINY, data.class_names, data.bands)
    Locations().draw(trainer, model, "test", EpochOutputs(logits, target, rows))


def test_errors_are_drawn_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiff_tree(tmp_path / "EuroSATallBands/tif", 5)
    data, drawn = EuroSAT(str(tmp_path), "all"), []
    real: Callable[..., object] = plots.draw_places

    def remember(places: PatchPlaces, wrong: np.ndarray, right: np.ndarray, note: str) -> object:
        drawn.append((wrong.tolist(), right.tolist(), note))
        return real(places, wrong, right, note)

    monkeypatch.setattr(plots, "draw_places", remember)
    draw(tmp_path, data)
    ((wrong, right, note),) = drawn
    assert (right, wrong) == (data.split.test[::2].tolist(), data.split.test[1::2].tolist())
    assert note == "test: 5 of 10 patches are wrong (50.00 %); split: random"
    assert (tmp_path / "locations_test.png").is_file()


def test_patches_without_places_have_no_map(tmp_path: Path) -> None:
    draw(tmp_path, Demo(patches_per_class=5))
    assert not list(tmp_path.glob("*.png"))


def test_without_pyproj_a_table_of_predictions_stays_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tiff_tree(tmp_path / "EuroSATallBands/tif", 2)
    trainer = Trainer(accelerator="cpu", default_root_dir=tmp_path, **BARE)
    trainer.datamodule = data = EuroSAT(str(tmp_path), "all")  # type: ignore[attr-defined]
    table = tmp_path / "predictions.csv"
    table.write_text(f"file,predicted\n{data.store.files[0]},River\n")
    monkeypatch.setitem(sys.modules, "pyproj", None)
    write_polygons(table, trainer)
    assert "no polygons of the predictions" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.geojson"))
