"""The reference has all that the package has."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from eurosat_cls.cli.commands import CONFIGURED, OTHERS
from eurosat_cls.cli.short_names import SHORT_NAMES
from tests.conftest import REPOSITORY
from tests.docs.pages import reference_pages

REFERENCE = REPOSITORY / "docs" / "reference"
MODULES = sorted((REPOSITORY / "eurosat_cls").rglob("*.py"))
# Of other places than a person's folders, and no file.
INTERNAL = {"manifest.json", "overlay.yaml", "machine.json", "inputs.npz", "outputs.npz", "sprite.png", "schema.json",
            "torch.onnx"}  # fmt: skip


def constants(pattern: str) -> dict[str, str]:
    """Matches of a pattern in the code of the package, and where each is."""
    return {match: path.name for path in MODULES for match in re.findall(pattern, path.read_text())}


def test_every_command_and_its_options_are_in_the_reference() -> None:
    page = reference_pages.commands()
    for command in (*CONFIGURED, *OTHERS):
        assert f"\n### {command}\n" in page
    for option in ("`--min_confidence MIN_CONFIDENCE`", "`--qgis`", "`--images`", "`--pruner {median,hyperband,none}`"):
        assert option in page, option
    assert "| `trainer.max_epochs` | `int \\| null` |" in reference_pages.configuration_keys()


def test_every_class_and_its_keys_are_in_the_reference() -> None:
    page = reference_pages.classes()
    for cls in SHORT_NAMES:
        assert f"\n### {cls.__name__}\n" in page
    assert "| `gamma` | `float` | `2.0` |" in page
    assert "| `shots_per_class` |" in page  # of a class above
    assert "| `in_channels` |" not in page  # handed over
    assert ":class:" not in page
    assert "``" not in page.replace("```", "")


def test_what_python_offers_is_in_the_reference() -> None:
    page = reference_pages.python()
    assert "## load" in page
    assert "| `min_valid` | share of valid pixels" in page


def test_every_variable_of_the_environment_is_in_the_reference() -> None:
    page = (REFERENCE / "environment.md").read_text()
    read = constants(r'os\.environ(?:\.get\(|\[)"(\w+)"') | constants(r'^[A-Z]+ = "(EUROSAT_\w+)"')
    read |= {name: "" for line in constants(r"^DECIDED = \((.*)\)") for name in re.findall(r'"(\w+)"', line)}
    launchers = {"LOCAL_RANK", "PL_GLOBAL_SEED", "TORCHELASTIC_RUN_ID"}  # set by those who start processes
    assert {name for name in read if f"`{name}`" not in page} - launchers == set()
    named = set(re.findall(r"`((?:EUROSAT|CIFAR10)_\w+)`", page))
    assert named <= set(constants(r"((?:EUROSAT|CIFAR10)_\w+)"))


def test_every_exit_code_is_in_the_reference() -> None:
    page = (REFERENCE / "environment.md").read_text()
    codes = set(constants(r"SystemExit\((\d+)\)")) | {"130", "143"}
    assert codes == set(re.findall(r"^\| (\d+) \|", page, re.MULTILINE))


def unknown(names: Iterable[str]) -> list[str]:
    """Those of some files that the page of files does not name."""
    page = (REFERENCE / "files.md").read_text()
    patterns = [re.escape(name).replace(r"\*", ".*").replace("STAGE", "(val|test|train)")
                for name in re.findall(r"`([^`]+)`", page)]  # fmt: skip
    return [name for name in names if not any(re.fullmatch(pattern, name) for pattern in patterns)]


def test_every_file_that_is_written_is_in_the_reference() -> None:
    suffix = "csv|json|png|html|npz|geojson|safetensors|gpkg|qml|vrt|pt2|onnx|log|txt|yaml"
    written = constants(rf'["/]([a-z_]{{4,}}(?:-[a-z0-9]+)?\.(?:{suffix}))"')
    assert len(written) > 30
    read = {"official.py", "download.py"}  # what is published, and a hint
    assert unknown(name for name, where in written.items() if where not in read and name not in INTERNAL) == []


@pytest.mark.slow
def test_every_file_of_a_run_is_in_the_reference(trained: None) -> None:
    folder = Path("lightning_logs/version_0")
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert len(names) > 4
    assert unknown(names) == []
