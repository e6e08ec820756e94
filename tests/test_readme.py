"""What the README tells people to type does what it says."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.conftest import CONFIGS, QUICK, REPOSITORY, exit_code
from tests.data.generated import make_image_folder, make_table, multilabel_rows
from tests.data.helpers import make_rgb_zip

README = (REPOSITORY / "README.md").read_text()
SHORT = ["--trainer.max_epochs", "2", "--trainer.precision", "32-true", "--model.init_args.memory_format", "contiguous"]


def commands(part: str) -> list[list[str]]:
    """Arguments of the commands in the README that contain ``part``."""
    lines = re.findall(r"^python -m eurosat_cls (.*)$", README, re.M)
    return [shlex.split(line) for line in lines if part in line]


@pytest.mark.slow
def test_own_images_become_a_model_in_three_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_image_folder(tmp_path / "my_images", per_class=25, suffix=".tif", channels=5, dtype="uint16")
    (tmp_path / "configs").symlink_to(CONFIGS)
    typed = commands("my_images")
    assert [line[0] for line in typed] == ["fit", "test", "predict", "statistics", "show"]
    for line in typed:
        assert exit_code([*line, *(SHORT if line[0] in ("fit", "test", "predict") else [])]) == 0, line
    run, look = Path("lightning_logs/version_0"), Path("lightning_logs/data")
    assert (run / "test.json").is_file()
    assert len((run / "predictions.csv").read_text().splitlines()) == 1 + 15
    assert len(list(look.glob("*/*.png"))) == 5
    assert "band_5" in capsys.readouterr().out


@pytest.mark.slow
def test_a_table_of_labels_trains(tmp_path: Path) -> None:
    make_table(tmp_path / "my_table.csv", multilabel_rows(80))
    (tmp_path / "configs").symlink_to(CONFIGS)
    (line,) = commands("my_table.csv")
    assert exit_code([*line, *SHORT]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("snippet", re.findall(r"```yaml\n(.*?)```", README, re.S))
def test_yaml_in_the_readme_works_on_top_of_the_main_configuration(
    snippet: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_rgb_zip(tmp_path / "data" / "EuroSAT.zip", 20)
    quick = {**QUICK, "data": {"init_args": {"root": str(tmp_path / "data"), "batch_size": 20}}}
    if own := "my_parts." in snippet:
        quick["model"] = {"init_args": {"memory_format": "contiguous"}}  # its encoder takes no widths
    (tmp_path / "snippet.yaml").write_text(snippet)
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", README, re.S):
        (tmp_path / name).write_text(code)
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(quick))
    files = [CONFIGS / "tiny_resnet18.yaml", tmp_path / "snippet.yaml", tmp_path / "quick.yaml"]
    trust = ["--trust", "my_parts"] if own else []
    code = exit_code(["fit", *trust, *(part for file in files for part in ("--config", str(file)))])
    assert code == 0, capsys.readouterr().err


def test_what_the_documentation_links_to_is_there() -> None:
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_error_in_the_readme_is_what_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "\nmodel:\n  init_args:\n    encoder: {class_path: ResNet, init_args: {\n      widthz: [16]}}"
    Path("my.yaml").write_text(text)
    assert exit_code(["fit", "--config", str(CONFIGS / "tiny_resnet18.yaml"), "--config", "my.yaml"]) == 2
    assert f"```\n{capsys.readouterr().err}```" in README
