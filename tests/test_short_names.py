"""Every public class can be called by its short name in a config."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from eurosat_cls import data
from eurosat_cls.data.augment import Augmentation
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.short_names import AUGMENTATIONS, DATA, SHORT_NAMES

Run = Callable[..., tuple[int, str]]


def test_none_is_forgotten_and_none_ambiguous() -> None:
    public = [getattr(data, name) for name in data.__all__]
    augmentations = {c for c in public if isinstance(c, type) and issubclass(c, Augmentation)}
    assert augmentations == set(AUGMENTATIONS)
    modules = {c for c in public if isinstance(c, type) and issubclass(c, PatchDataModule)}
    assert modules - {PatchDataModule, data.ImageFiles} == set(DATA)
    names = [c.__name__ for c in SHORT_NAMES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", [c.__name__ for c in AUGMENTATIONS])
def test_an_augmentation_is_found_by_its_name(name: str, run: Run) -> None:
    code, printed = run("fit", "--data.init_args.augment", f'[{{"class_path": "{name}"}}]', "--print_config")
    assert code == 0, printed
    parts = yaml.safe_load(printed[printed.index("seed_everything") :])["data"]["init_args"]["augment"]
    assert [part["class_path"].rsplit(".", 1)[1] for part in parts] == [name]


@pytest.mark.parametrize("name", ["RandomSplit", "SpatialSplit", "OfficialSplit"])
def test_a_split_is_found_by_its_name(name: str, run: Run) -> None:
    code, printed = run("fit", "--data.init_args.split", name, "--print_config")
    assert code == 0, printed
    assert f".{name}" in printed


def test_a_data_module_and_a_loss_are_found_by_their_names(run: Run, tmp_path: Path) -> None:
    for module in ("EuroSAT", "ImageFolder", "Table", "CIFAR10"):
        code, printed = run("fit", "--data", module, "--print_config")
        assert f".{module}" in printed or "required" in printed.lower(), printed
    code, printed = run("fit", "--model.init_args.loss", "SigmoidFocalLoss", "--print_config")
    assert code == 0
    assert "eurosat_cls.losses.SigmoidFocalLoss" in printed
