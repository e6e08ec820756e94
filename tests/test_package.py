"""The shape of the package, and that what README and docs name exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import eurosat_cls
from tests.conftest import CONFIGS, REPOSITORY
from tests.docs.snippets import pages

MODULES = sorted((REPOSITORY / "eurosat_cls").rglob("*.py"))


def test_no_module_is_long() -> None:
    lengths = sorted(len(path.read_text().splitlines()) for path in MODULES)
    assert lengths[-1] <= 300
    assert lengths[len(lengths) // 2] <= 150


def test_encoders_and_decoders_know_no_lightning() -> None:
    rooms = [path for path in MODULES if {"encoders", "decoders"} & set(path.parts)]
    assert len(rooms) > 10
    for path in rooms:
        assert "lightning" not in path.read_text(), path


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, eurosat_cls; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def test_every_config_is_documented_and_exists() -> None:
    text = "\n".join(page.read_text() for page in pages())
    for name in re.findall(r"configs/[\w/-]+\.yaml", text):
        assert (REPOSITORY / name).is_file(), name
    for path in CONFIGS.glob("*.yaml"):
        assert f"configs/{path.name}" in text, f"{path.name} is not in the documentation"


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["version"] == eurosat_cls.__version__
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


@pytest.mark.slow
def test_the_python_example_of_the_docs_runs(tmp_path: Path) -> None:
    text = (REPOSITORY / "docs/how-to/parts-in-python.md").read_text()
    example = text[text.index("```python") + 9 :]
    example = example[: example.index("```")]
    script = tmp_path / "example.py"
    script.write_text(example)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=_env(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def _env() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}
