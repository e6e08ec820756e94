"""One run and its export for all tests of a session, in whatever process they run."""

import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from eurosat_cls.export import ExportOptions, export_model


@pytest.fixture(scope="session")
def exports(_training: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """``model.onnx``, ``model.pt2``, ``model.safetensors``, the other files, and their ``run``."""
    root = tmp_path_factory.getbasetemp()
    folder = (root if worker_id == "master" else root.parent) / "exports"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            run = root / "run"
            shutil.copytree(_training / "version_0", run)
            options = ExportOptions(str(root / "made"), ("onnx", "pt2", "safetensors", "hub"), qgis=True, license="MIT")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("EUROSAT_CACHE", str(cache))
                export_model(run, options)
            shutil.move(run, root / "made" / "run")
            shutil.move(root / "made", folder)
    return folder
