"""Configurations that are shipped are found by their names, whatever the current folder is; files there come first."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from eurosat_cls.config.shipped import FOLDER, copy, expand_names, first_line, shipped
from eurosat_cls.utils.errors import UserError
from tests.conftest import CONFIGS, exit_code

TINY = str(FOLDER / "tiny_resnet18.yaml")


def expanded(*arguments: str) -> list[str]:
    return expand_names(arguments, lambda line: None)


def test_the_shipped_files_are_those_of_the_clone_and_say_what_they_are_in_one_line() -> None:
    names = {file.relative_to(CONFIGS).with_suffix("").as_posix() for file in CONFIGS.rglob("*.yaml")}
    assert names == set(shipped())
    for file in shipped().values():
        assert file.read_text().startswith("# ")
        assert len(first_line(file)) < 120
        assert not first_line(file).endswith(",")


@pytest.mark.parametrize(
    "name", ["tiny_resnet18", "tiny_resnet18.yaml", "tiny_resnet18.yml", "configs/tiny_resnet18.yaml"]
)
def test_a_name_is_that_of_the_shipped_file_in_every_way_to_give_one(name: str) -> None:
    for option in ("--config", "-c", "--overlay", "--overlays"):
        assert expanded("fit", option, name, "--x", "demo") == ["fit", option, TINY, "--x", "demo"]
        assert expanded(f"{option}={name}") == [f"{option}={TINY}"]
    both = expanded("search", "--overlays", "ema", name, "--seeds", "0-4")
    assert both == ["search", "--overlays", str(FOLDER / "ema.yaml"), TINY, "--seeds", "0-4"]


def test_a_space_goes_by_the_name_of_its_configuration() -> None:
    space = str(FOLDER / "spaces" / "tiny_resnet18.yaml")
    for name in ("tiny_resnet18", "spaces/tiny_resnet18", "configs/spaces/tiny_resnet18.yaml"):
        assert expanded("--space", name) == ["--space", space]


def test_a_file_here_comes_first_and_a_folder_does_not() -> None:
    Path("demo").mkdir()
    assert expanded("--config", "demo") == ["--config", str(FOLDER / "demo.yaml")]
    Path("demo.yaml").write_text("trainer: {max_epochs: 1}")
    assert expanded("--config", "demo") == ["--config", "demo.yaml"]
    assert expanded("--config", "demo.yaml") == ["--config", "demo.yaml"]
    Path("ema.yaml").symlink_to("nowhere")  # what is here is never passed over in silence
    assert expanded("--config", "ema.yaml") == ["--config", "ema.yaml"]


@pytest.mark.parametrize(
    "name", ["../demo", "/demo", "a/demo", "configs/../demo", "spaces/../demo", "https://x.org/demo.yaml", "{a: demo}"]
)
def test_a_name_is_looked_up_and_never_made_into_a_path(name: str) -> None:
    with suppress(UserError):  # which asks whether demo was meant
        assert expanded("--config", name) == ["--config", name]


def test_a_misspelt_name_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["fit", "--config", "tiny_resnet"]) == 2
    said = "error: --config tiny_resnet: No such file or directory. Did you mean 'tiny_resnet18'?"
    assert said in capsys.readouterr().err
    with pytest.raises(UserError, match="Did you mean 'tiny_resnet18'"):
        expanded("search", "--space", "tiny_resnet")


def test_the_choice_is_printed_and_the_configurations_lie_over_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["fit", "--config", "tiny_resnet18", "--config", "demo", "--print_config"]) == 0
    printed = capsys.readouterr()
    assert f"--config tiny_resnet18: the shipped {TINY}\n" in printed.err
    assert "max_epochs: 15" in printed.out


def test_nothing_of_the_current_folder_is_imported_for_a_shipped_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("stranger.py").write_text("raise SystemExit('imported')")
    encoder = ("--model.init_args.encoder", "stranger.Encoder", "--trust", "stranger")
    assert exit_code(["fit", "--config", "tiny_resnet18", *encoder]) == 2
    assert "stranger" not in sys.modules
    capsys.readouterr()


def test_configs_lists_and_copies(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(shipped())
    assert any(line.split()[:3] == ["demo", "Overlay:", "the"] for line in lines)
    assert exit_code(["configs", "--copy", "tiny_resnet18", "."]) == 0
    assert Path("tiny_resnet18.yaml").read_bytes() == Path(TINY).read_bytes()
    assert exit_code(["configs", "--copy", "spaces/tiny_resnet18"]) == 0
    assert Path("spaces/tiny_resnet18.yaml").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--copy", "demo", "."], "demo.yaml: is there already"),
        (["--copy", "ema", "."], "ema.yaml: is there already"),  # a link to nowhere is not followed
        (["--copy", "../demo", "."], "there is no configuration '../demo'. Did you mean 'demo'?"),
        (["--copy", "emo"], "Did you mean 'demo'"),
        (["--copy", "demo", "absent"], "absent: there is no such folder"),
        (["--copy", "demo", "demo.yaml"], "demo.yaml: there is no such folder"),
        (["."], "goes with --copy NAME"),
    ],
)
def test_a_copy_replaces_nothing(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("demo.yaml").write_text("mine")
    Path("ema.yaml").symlink_to("elsewhere")
    assert exit_code(["configs", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert Path("demo.yaml").read_text() == "mine"
    assert not Path("elsewhere").exists()


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir(mode=0o500)
    with pytest.raises(UserError, match=r"demo.yaml: cannot be written"):
        copy("demo", tmp_path / "kept")
