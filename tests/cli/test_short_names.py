"""Every public class can be called by its short name in a config."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from eurosat_cls import data, decoders, embeddings, encoders, losses
from eurosat_cls.cli.short_names import (
    AUGMENTATIONS,
    DATA,
    DECODERS,
    EMBEDDINGS,
    ENCODERS,
    LOSSES,
    MODELS,
    SHORT_NAMES,
    TRAINING,
)
from eurosat_cls.data.augment import Augmentation
from eurosat_cls.data.module import PatchDataModule
from eurosat_cls.models import masking
from eurosat_cls.models.base import PatchModule
from tests.conftest import subprocess_env

Run = Callable[..., tuple[int, str]]


def test_none_is_forgotten_and_none_ambiguous() -> None:
    public = [getattr(data, name) for name in data.__all__]
    augmentations = {c for c in public if isinstance(c, type) and issubclass(c, Augmentation)}
    assert augmentations == set(AUGMENTATIONS)
    modules = {c for c in public if isinstance(c, type) and issubclass(c, PatchDataModule)}
    assert modules - {PatchDataModule, data.ImageFiles} == set(DATA)
    names = [c.__name__ for c in SHORT_NAMES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("package", "listed"),
    [(encoders, ENCODERS), (decoders, DECODERS), (embeddings, EMBEDDINGS), (losses, LOSSES), (masking, TRAINING)],
)
def test_every_part_of_a_network_has_one(package: ModuleType, listed: tuple[type, ...]) -> None:
    names = getattr(package, "__all__", dir(package))
    public = [getattr(package, name) for name in names if not name.startswith("_")]
    ours = {c for c in public if inspect.isclass(c) and c.__module__.startswith(package.__name__)}
    concrete = {c for c in ours if not inspect.isabstract(c) and not issubclass(c, tuple)}
    assert concrete
    assert concrete <= set(listed)


def test_models_are_all_that_there_are() -> None:
    found = [PatchModule]
    for kind in found:
        found += kind.__subclasses__()
    ours = (kind for kind in found if kind.__module__.startswith("eurosat_cls."))
    assert set(MODELS) == {kind for kind in ours if "step" in vars(kind)} - {PatchModule}


@pytest.mark.slow
def test_libraries_of_backbones_are_imported_by_those_who_use_them() -> None:
    # Lightning itself imports torchvision and matplotlib.
    code = "import sys, eurosat_cls.cli as c; found = {'timm', 'torchvision.models'} & set(sys.modules) - before\n"
    script = f"import sys, lightning.pytorch\nbefore = set(sys.modules)\n{code}assert not found, found"
    subprocess.run([sys.executable, "-c", script], check=True, env=subprocess_env())


@pytest.mark.parametrize("name", [c.__name__ for c in DECODERS])
def test_a_decoder_is_found_by_its_name(name: str, run: Run) -> None:
    code, printed = run("fit", "--model.init_args.decoder", name, "--print_config")
    assert code == 0, printed
    assert f".{name}" in printed


@pytest.mark.parametrize("part", ["position_encoder", "bands_encoder"])
def test_embeddings_are_found_by_their_names(part: str, run: Run, tmp_path: Path) -> None:
    fitting = [c.__name__ for c in EMBEDDINGS if ("Position" in c.__name__) == (part == "position_encoder")]
    assert fitting
    for name in fitting:
        encoder = {"class_path": "Transformer", "init_args": {part: {"class_path": name}}}
        overlay = tmp_path / f"{name}.yaml"
        overlay.write_text(yaml.safe_dump({"model": {"init_args": {"encoder": encoder}}}))
        code, printed = run("fit", "--config", str(overlay), "--print_config")
        assert code == 0, printed
        assert f".{name}" in printed


def test_callbacks_weights_and_encoders_are_found_by_their_names(run: Run, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    arguments = {
        "encoder": {"class_path": "TorchvisionBackbone", "init_args": {"name": "resnet18"}},
        "weights": {"class_path": "Weights", "init_args": {"path": "w.pt"}},
    }
    callbacks = [{"class_path": "Freeze", "init_args": {"modules": {"encoder": None}}}, {"class_path": "WeightAverage"}]
    overlay.write_text(yaml.safe_dump({"model": {"init_args": arguments}, "trainer": {"callbacks": callbacks}}))
    code, printed = run("fit", "--config", str(overlay), "--print_config")
    assert code == 0, printed
    for name in ("TorchvisionBackbone", "weights.Weights", "Freeze", "WeightAverage"):
        assert f".{name}" in printed


@pytest.mark.parametrize("name", [c.__name__ for c in AUGMENTATIONS])
def test_an_augmentation_is_found_by_its_name(name: str, run: Run) -> None:
    given = ', "init_args": {"tables": "answers.csv"}' if name == "SoftLabels" else ""
    code, printed = run("fit", "--data.init_args.augment", f'[{{"class_path": "{name}"{given}}}]', "--print_config")
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
        assert f".{module}" in printed or f"{module} needs" in printed, printed
    code, printed = run("fit", "--model.init_args.loss", "SigmoidFocalLoss", "--print_config")
    assert code == 0
    assert "eurosat_cls.losses.SigmoidFocalLoss" in printed
