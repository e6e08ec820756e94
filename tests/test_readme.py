"""What README and docs ask people to type does what they promise."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.conftest import CONFIGS, QUICK, REPOSITORY, exit_code
from tests.data.generated import make_image_folder, make_table, multilabel_rows
from tests.data.helpers import make_rgb_zip
from tests.docs.snippets import name_of, pages

PAGES = {name_of(page): page.read_text() for page in pages()}
YAML = re.compile(r"(?<!-->\n)^```yaml\n(.*?)```", re.S | re.M)  # but those that a comment marks as not run
SHORT = ["--trainer.max_epochs", "2", "--trainer.precision", "32-true", "--model.init_args.memory_format", "contiguous"]


def commands(page: str, part: str) -> list[list[str]]:
    """Arguments of the commands of a page that contain ``part``."""
    lines = re.findall(r"^python -m eurosat_cls (.*)$", PAGES[page], re.M)
    return [shlex.split(line) for line in lines if part in line]


@pytest.mark.slow
def test_own_images_become_a_model_in_three_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_image_folder(tmp_path / "my_images", per_class=25, suffix=".tif", channels=5, dtype="uint16")
    (tmp_path / "configs").symlink_to(CONFIGS)
    typed = [*commands("README.md", "my_images"), *commands("docs/how-to/look-at-data.md", "my_images")]
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
    (line,) = commands("docs/how-to/own-data.md", "my_table.csv")
    assert exit_code([*line, *SHORT]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("page", [name for name, text in PAGES.items() if "how-to" in name and YAML.search(text)])
def test_yaml_of_a_page_works_on_top_of_the_main_configuration(
    page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_rgb_zip(tmp_path / "data" / "EuroSAT.zip", 20)
    quick = {**QUICK, "data": {"init_args": {"root": str(tmp_path / "data"), "batch_size": 20}}}
    if own := "my_parts." in PAGES[page]:
        quick["model"] = {"init_args": {"memory_format": "contiguous"}}  # its encoder takes no widths
    files = [CONFIGS / "tiny_resnet18.yaml"]
    for snippet in YAML.findall(PAGES[page]):
        files.append(tmp_path / f"snippet_{len(files)}.yaml")
        files[-1].write_text(snippet)
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGES[page], re.S):
        (tmp_path / name).write_text(code)
    files.append(tmp_path / "quick.yaml")
    files[-1].write_text(yaml.safe_dump(quick))
    trust = ["--trust", "my_parts"] if own else []
    code = exit_code(["fit", *trust, *(part for file in files for part in ("--config", str(file)))])
    assert code == 0, capsys.readouterr().err


def test_the_keys_of_the_readme_can_be_changed(capsys: pytest.CaptureFixture[str]) -> None:
    rows = dict(re.findall(r"^\| [^|]+ \| `([\w.+]+): (.+?)` \| \[", PAGES["README.md"], re.M)[:-1])
    options = [part for key, value in rows.items() for part in (f"--{key}", value)]
    assert len(rows) > 10
    code = exit_code(["fit", "--config", str(CONFIGS / "tiny_resnet18.yaml"), *options, "--print_config"])
    assert code == 0, capsys.readouterr().err


def test_the_readme_is_read_in_three_minutes() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 150
    prose = re.sub(r"```.*?```|\]\([^)]*\)", "", PAGES["README.md"], flags=re.S)
    assert len(prose.split()) <= 720


def test_what_the_documentation_links_to_is_there() -> None:
    for page, text in PAGES.items():
        links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)
        missing = [link for link in links if not (REPOSITORY / page).parent.joinpath(link).exists()]
        assert not missing, (page, missing)


def test_the_error_that_is_shown_is_what_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "\nmodel:\n  init_args:\n    encoder: {class_path: ResNet, init_args: {\n      widthz: [16]}}"
    Path("my.yaml").write_text(text)
    assert exit_code(["fit", "--config", str(CONFIGS / "tiny_resnet18.yaml"), "--config", "my.yaml"]) == 2
    assert f"```text\n{capsys.readouterr().err}```" in PAGES["docs/how-to/mistakes.md"]
