"""Help comes at once and is that of the parser."""

import subprocess
import sys
from pathlib import Path

import pytest

from eurosat_cls.cli import help
from eurosat_cls.cli.application import EuroSATCLI
from eurosat_cls.cli.other_commands import COMMANDS
from eurosat_cls.utils.cache import cache_folder
from tests.conftest import exit_code, subprocess_env


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(help.CONFIGURED) == set(EuroSATCLI.subcommands())
    assert set(help.OTHERS) == set(COMMANDS)
    assert exit_code(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n  {name} " in printed for name in (*help.CONFIGURED, *help.OTHERS))


def test_help_of_a_search_does_not_wait_for_torch() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "eurosat_cls", "search", "--help"]
    printed = subprocess.run(command, env=subprocess_env(), capture_output=True, text=True)
    assert "--space" in printed.stdout
    assert not [line for line in printed.stderr.splitlines() if line.split("|")[-1].strip() in ("torch", "lightning")]


@pytest.mark.parametrize(
    "arguments",
    ["--help", "--version", pytest.param("fit --help", marks=pytest.mark.slow), "report --help", "fitt", ""],
)
def test_neither_help_nor_slips_wait_for_imports(arguments: str) -> None:
    code = (
        "import sys\nfrom eurosat_cls.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'lightning', 'jsonargparse', 'matplotlib', 'numpy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, *arguments.split()]
    for _ in range(2 if arguments == "fit --help" else 1):  # the first call asks the parser
        printed = subprocess.run(command, env=subprocess_env(), capture_output=True, text=True).stdout
    assert printed.splitlines()[-1] == "[]"


def test_kept_help_is_that_of_the_parser_and_made_anew_after_a_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["test", "--help"]) == 0
    first = capsys.readouterr().out
    assert "--trainer.max_epochs" in first
    assert "--ckpt_path" in first
    (kept,) = (cache_folder() / "help").glob("test-*.txt")
    kept.write_text("kept")
    assert exit_code(["test", "--help"]) == 0
    assert capsys.readouterr().out == "kept"
    monkeypatch.setattr(help, "__version__", "another")
    assert exit_code(["test", "--help"]) == 0
    assert capsys.readouterr().out == first
    assert len(list((cache_folder() / "help").glob("test-*.txt"))) == 1


def test_help_needs_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path / "file"))
    assert exit_code(["summary", "--help"]) == 0
    assert "--batch_size" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "which command?"),
        (["fitt"], "Did you mean 'fit'?"),
        (["--config", "a.yaml"], "the command comes first"),
        (["fit", "--trust"], "--trust: name a package"),
    ],
)
def test_slips_are_told(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(arguments) == 2
    assert said in capsys.readouterr().err
