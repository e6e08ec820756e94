"""Fixtures: an own cache and working folder for every test, and a training that takes a second."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

if "PYTEST_XDIST_WORKER" in os.environ:  # workers that all use all cores are in each other's way
    os.environ["OMP_NUM_THREADS"] = "1"

from eurosat_cls.cli import main

REPOSITORY = Path(__file__).parent.parent
CONFIGS = REPOSITORY / "configs"
REAL_ZIP = REPOSITORY.parent / "shared" / "data" / "EuroSAT.zip"

QUICK = {
    "model": {
        "init_args": {"encoder": {"init_args": {"widths": [16, 16], "blocks": [1, 1]}}, "memory_format": "contiguous"}
    },
    "data": {
        "class_path": "Demo",
        "init_args": {
            "patches_per_class": 20,
            "batch_size": 40,
            "augment": [{"class_path": "Dihedral"}, {"class_path": "Shift", "init_args": {"pixels": 4}}],
        },
    },
    "pictures": [],  # they are drawn where a test is about them
    "trainer": {"max_epochs": 2, "precision": "32-true", "accelerator": "cpu", "num_sanity_val_steps": 0},
}

# What writes metrics.csv, where a test reads that.
CURVES = ("--pictures", "[{class_path: LearningCurves}]")

# For a Trainer built by hand: nothing written, nothing drawn.
BARE: dict[str, Any] = dict.fromkeys(
    ("logger", "enable_checkpointing", "enable_model_summary", "enable_progress_bar"), False
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Call what trains slow, and begin with it, so that no worker is left alone with it at the end."""
    for item in items:
        if {"run", "trained"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Spare the collector of garbage what stays to the end anyway: a twentieth of the time."""
    gc.collect()
    gc.freeze()


def subprocess_env() -> dict[str, str]:
    """The environment in which another process finds the package from any folder."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def exit_code(arguments: list[str]) -> int:
    """Run a command in this process; return the exit code that a shell would see."""
    try:
        main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EUROSAT_CACHE", str(cache))
    monkeypatch.delenv("EUROSAT_ROOT", raising=False)
    monkeypatch.setenv("EUROSAT_TRUST", "tests")
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]


@pytest.fixture
def quick(tmp_path: Path) -> list[str]:
    """Arguments that make tiny_resnet18.yaml a training of a second on the demo data."""
    return _quick(tmp_path)


def _quick(folder: Path) -> list[str]:
    overlay = folder / "quick.yaml"
    overlay.write_text(yaml.safe_dump(QUICK))
    return ["--config", str(CONFIGS / "tiny_resnet18.yaml"), "--config", str(overlay)]


@pytest.fixture(scope="session")
def _training(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    folder = tmp_path_factory.mktemp("training")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EUROSAT_CACHE", str(cache))
        patch.delenv("EUROSAT_ROOT", raising=False)
        patch.chdir(folder)
        assert exit_code(["fit", *_quick(folder)]) == 0
    return folder / "lightning_logs"


@pytest.fixture
def trained(_training: Path, tmp_path: Path) -> None:
    """Have ``lightning_logs/version_0`` as ``run("fit")`` leaves it, without training each time."""
    shutil.copytree(_training, tmp_path / "lightning_logs")


@pytest.fixture
def run(quick: list[str], capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command with the quick configuration; return its exit code and all that it printed."""

    def command(subcommand: str, *args: str) -> tuple[int, str]:
        capsys.readouterr()
        code = exit_code([subcommand, *quick, *args])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return command
