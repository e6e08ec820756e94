"""Every mistake in a configuration ends in a few lines: where it is, what is wrong, what would be right."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from eurosat_cls.config.settings import Base, bases, class_settings
from eurosat_cls.encoders import ResNet
from eurosat_cls.utils.errors import UserError
from tests.config.parsers import parsed
from tests.conftest import CONFIGS, exit_code

WRONG: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("wrong.yaml").read_text())


def said(*args: str) -> str:
    with pytest.raises(UserError) as caught:
        parsed(*args)
    return str(caught.value)


@pytest.fixture
def base(tmp_path: Path) -> list[str]:
    shutil.copy(CONFIGS / "tiny_resnet18.yaml", tmp_path / "base.yaml")
    return ["--config", "base.yaml"]


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG, ids=[wrong["about"] for wrong in WRONG])
def test_a_wrong_configuration_is_explained(wrong: dict[str, Any], base: list[str]) -> None:
    arguments = [*base, *wrong.get("arguments", [])]
    if "config" in wrong:
        Path("wrong.yaml").write_text(wrong["config"])
        arguments = [*base, "--config", "wrong.yaml", *wrong.get("arguments", [])]
    lines, expected = said("fit", *arguments).split("\n"), wrong["message"].split("\n")
    assert len(lines) == len(expected) <= 4
    for line, whole in zip(lines, expected, strict=True):
        assert line == whole or (whole.endswith("...") and line.startswith(whole.removesuffix("..."))), line


def test_the_corpus_is_large_and_names_places() -> None:
    assert len(WRONG) >= 60
    placed = [wrong for wrong in WRONG if "wrong.yaml:" in wrong["message"] or wrong["message"].startswith("--")]
    assert len(placed) >= len(WRONG) - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit"], "fit needs model and data: give a file with --config"),
        (["fit", "--config", "nowhere.yaml"], "nowhere.yaml: cannot be read (No such file"),
        (["fit", "--config", "."], "--config .: this is a folder"),
        (["fit", "--config", "run"], "Did you mean run/config.yaml?"),
        (["fit", "--config", "binary.yaml"], "binary.yaml: not a text file"),
        (["fit", "--config", "zeros.yaml"], "zeros.yaml: holds characters that no text file has"),
        (["fit", "--config", "empty.yaml"], "empty.yaml: empty, there are no settings"),
        (["fit", "--config", "comments.yaml"], "comments.yaml: empty, there are no settings"),
        (["fit", "--config", "two.yaml"], "two.yaml:2: not valid YAML: expected a single document"),
    ],
)
def test_a_command_line_that_is_wrong_as_a_whole_is_explained(arguments: list[str], message: str) -> None:
    files = {"binary.yaml": b"\x89PNG\xff", "zeros.yaml": b"a: \0", "empty.yaml": b"", "comments.yaml": b"# nothing\n",
             "two.yaml": b"a: 1\n---\nb: 2\n"}  # fmt: skip
    for name, content in files.items():
        Path(name).write_bytes(content)
    Path("run").mkdir()
    Path("run/config.yaml").write_text("a: 1")
    text = said(*arguments)
    assert message in text
    assert text.count("\n") == 0


def test_the_first_of_several_files_can_be_the_wrong_one(base: list[str]) -> None:
    Path("a.yaml").write_text("trainer: {max_epoch: 3}")
    Path("b.yaml").write_text("trainer: {max_epochs: 3}")
    assert said("fit", "--config", "a.yaml", *base, "--config", "b.yaml").startswith("a.yaml:1: trainer.max_epoch: ")


def test_an_argument_of_a_class_that_was_imported_by_the_config_is_explained(base: list[str]) -> None:
    crash = '[{"class_path": "tests.end_to_end.crash.Crash", "init_args": {"epok": 1}}]'
    assert "Crash has no key 'epok'. Did you mean 'epoch'?\nkeys: epoch: int" in said(
        "fit", *base, "--trainer.callbacks", crash
    )


def test_the_command_prints_no_usage(base: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["fit", *base, "--trainer.max_epoch", "3"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("eurosat_cls: error: --trainer.max_epoch: ")
    assert "usage" not in printed
    assert printed.count("\n") == 2


def test_types_and_defaults_of_a_class_are_those_of_its_signature() -> None:
    assert [str(setting) for setting in class_settings(ResNet, given=1).values()] == [
        "widths: Sequence[int] = (16, 48, 96, 160)",
        "blocks: Sequence[int] = (2, 2, 2, 2)",
        "stem_stride: int = 2",
        "downsample: stride | average = stride",
        "stem_kernel: int = 3",
    ]
    assert bases(int | str | None) == []
    assert bases(list[ResNet]) == []
    assert bases(ResNet | str) == [Base(ResNet)]
