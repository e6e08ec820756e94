"""What an index would get works away from the clone: configurations by name, and the first training."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SHORT = ("--data.init_args.patches_per_class", "10", "--data.init_args.batch_size", "20", "--trainer.max_epochs", "1",
         "--trainer.precision", "32-true", "--model.init_args.memory_format", "contiguous",
         "--pictures", "[]")  # fmt: skip


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env={**inherited, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_a_wheel_made_of_the_source_distribution_trains_in_an_empty_folder(tmp_path: Path) -> None:
    clone, dist, site = tmp_path / "clone", tmp_path / "dist", tmp_path / "site"
    clone.mkdir()
    for entry in REPOSITORY.iterdir():  # a build leaves files beside its sources
        if not entry.name.startswith(".") and entry.name not in ("build", "dist"):
            (clone / entry.name).symlink_to(entry)
    python("-m", "build", "--no-isolation", "--outdir", str(dist), str(clone))
    wheel, source = sorted(dist.iterdir())
    assert (wheel.suffix, source.suffix) == (".whl", ".gz")
    assert "PASSED" in python("-m", "twine", "check", "--strict", str(wheel), str(source)).stdout
    python("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel))

    (tmp_path / "empty").mkdir()
    os.chdir(tmp_path / "empty")
    run = ("-m", "eurosat_cls", "fit", "--config", "tiny_resnet18", "--config", "demo")
    said = python(*run, *SHORT, PYTHONPATH=str(site)).stderr
    assert f"--config tiny_resnet18: the shipped {site / 'eurosat_cls' / 'configs' / 'tiny_resnet18.yaml'}" in said
    assert Path("lightning_logs/version_0/checkpoints/best.ckpt").is_file()
