"""The command ``show``: pictures of the data."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eurosat_cls.analysis import dataset_plots as show
from eurosat_cls.analysis.dataset_plots import write_pictures
from eurosat_cls.data import CutMix, Demo, Dihedral, Mixup, Noise
from eurosat_cls.data.augment import Augmentation
from eurosat_cls.data.splits import Split
from eurosat_cls.data.store.store import Store

Run = Callable[..., tuple[int, str]]
PICTURES = {"patches", "classes", "histograms", "spectra", "augmentations"}


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_all_pictures_are_written_and_their_paths_printed(run: Run) -> None:
    code, printed = run("show")
    assert code == 0
    (folder,) = Path("lightning_logs/data").iterdir()
    assert {path.stem for path in folder.iterdir()} == PICTURES
    for name in PICTURES:
        assert str(folder / f"{name}.png") in printed
        pixels = picture(folder / f"{name}.png")
        assert 400 < pixels.shape[0] < 3000 or name == "histograms"
        assert 700 < pixels.shape[1] < 1600
        assert pixels.std() > 10
    assert [path.name for path in Path("lightning_logs").iterdir()] == ["data"]


@pytest.mark.slow
def test_without_augmentations_there_is_no_picture_of_them_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(Demo(5), tmp_path / "out")
    assert {path.stem for path in (tmp_path / "out").iterdir()} == PICTURES - {"augmentations"}
    assert "data.augment is empty" in capsys.readouterr().out


class Changed(Demo):
    """Demo patches with other bands or labels."""

    def __init__(self, change: Callable[[Store], Store], folder: Path, augment: list[Augmentation]) -> None:
        super().__init__(8, augment=augment, split="random")
        self.change, self.folder = change, folder
        folder.mkdir()

    def open_store(self) -> Store:
        return replace(self.change(super().open_store()), path=self.folder)


def more_bands(store: Store) -> Store:
    images = np.concatenate([store.images] * 2, axis=1)[:, :5].astype(np.uint16) * 11
    return replace(store, images=images, bands=["B08", "B8A", "B11", "B04", "other"])


def one_float_band(store: Store) -> Store:
    return replace(store, images=store.images[:, :1].astype(np.float32) / 255, bands=["VV"])


def several_labels(store: Store) -> Store:
    hot = np.eye(10, dtype=np.uint8)[store.labels]
    hot[::3, 4] = 1
    return replace(store, labels=hot)


@pytest.mark.slow
@pytest.mark.parametrize("change", [more_bands, one_float_band, several_labels])
def test_any_bands_dtype_and_labels_are_shown(change: Callable[[Store], Store], tmp_path: Path) -> None:
    data = Changed(change, tmp_path / "store", [Dihedral(), Noise(), Mixup(), CutMix()])
    rows = np.arange(80)
    data.__dict__["split"] = Split(rows[::2], rows[1::4], rows[3::4], "0", "random")
    data.task = "multilabel" if data.store.multilabel else "multiclass"
    for path in write_pictures(data, tmp_path / "out"):
        assert picture(path).std() > 10
    assert len(list((tmp_path / "out").iterdir())) == len(PICTURES)


@pytest.mark.slow
def test_every_augmentation_has_a_row_in_which_each_patch_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, object] = {}

    def record(original: np.ndarray, augmented: list[tuple[str, np.ndarray, list[str]]], *rest: object) -> np.ndarray:
        seen.update(original=original, augmented=augmented, captions=rest[1])
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr(show, "draw_augmentations", record)
    mixup = Mixup(alpha=1.0, probability=0.1)
    data = Demo(20, augment=[Noise(probability=0.01), mixup])
    write_pictures(data, tmp_path)
    (noise, noisy, untold), (_, mixed, told), (together, _, _) = seen["augmented"]  # type: ignore[misc]
    assert noise.startswith("Noise: std 0.02, probability 0.01")
    assert together.startswith("all 2 together")
    original = seen["original"]
    assert isinstance(original, np.ndarray)
    assert len(original) == len(set(seen["captions"])) == 8  # type: ignore[arg-type]
    assert (noisy != original).any(axis=(1, 2, 3)).all()
    assert set(untold) == {""}
    assert (mixed != original).any(axis=(1, 2, 3)).mean() > 0.5
    assert sum(" + " in text for text in told) > 4
    assert mixup.probability == 0.1


@pytest.mark.slow
def test_show_leaves_the_randomness_of_others_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    write_pictures(Demo(5, augment=[Noise(), Mixup()]), tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
