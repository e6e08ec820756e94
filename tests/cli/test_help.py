"""Help comes at once and is that of the parser."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from eurosat_cls import Classifier
from eurosat_cls.cli import help
from eurosat_cls.cli.application import EuroSATCLI
from eurosat_cls.cli.first_options import COMMANDS_MEANT, FIRST, HELPS, OPTIONS_MEANT
from eurosat_cls.cli.other_commands import COMMANDS
from eurosat_cls.config.settings import class_settings, settings_of
from eurosat_cls.data import EuroSAT, Table
from eurosat_cls.encoders import Encoder
from eurosat_cls.utils.cache import cache_folder
from eurosat_cls.utils.errors import UserError
from tests.config.parsers import parsed, parsers
from tests.conftest import CONFIGS, exit_code, subprocess_env


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(help.CONFIGURED) == set(EuroSATCLI.subcommands())
    assert set(help.OTHERS) == set(COMMANDS)
    assert exit_code(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n  {name} " in printed for name in (*help.CONFIGURED, *help.OTHERS))


@pytest.mark.slow
def test_help_of_a_search_does_not_wait_for_torch() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "eurosat_cls", "search", "--help"]
    printed = subprocess.run(command, env=subprocess_env(), capture_output=True, text=True)
    assert "--space" in printed.stdout
    assert not [line for line in printed.stderr.splitlines() if line.split("|")[-1].strip() in ("torch", "lightning")]


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "--version",
        "fit --help",
        pytest.param("fit --help-all", marks=pytest.mark.slow),
        "report --help",
        "configs",
        "fitt",
        "",
    ],
)
def test_neither_help_nor_slips_wait_for_imports(arguments: str) -> None:
    code = (
        "import sys\nfrom eurosat_cls.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'lightning', 'jsonargparse', 'matplotlib', 'numpy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, *arguments.split()]
    for _ in range(2 if arguments == "fit --help-all" else 1):  # the first call asks the parser
        printed = subprocess.run(command, env=subprocess_env(), capture_output=True, text=True).stdout
    assert printed.splitlines()[-1] == "[]"


def test_kept_help_is_that_of_the_parser_and_made_anew_after_a_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["test", "--help-all"]) == 0
    first = capsys.readouterr().out
    assert "--trainer.max_epochs" in first
    assert "--ckpt_path" in first
    (kept,) = (cache_folder() / "help").glob("test-*.txt")
    kept.write_text("kept")
    assert exit_code(["test", "--help-all"]) == 0
    assert capsys.readouterr().out == "kept"
    monkeypatch.setattr(help, "__version__", "another")
    assert exit_code(["test", "--help-all"]) == 0
    assert capsys.readouterr().out == first
    assert len(list((cache_folder() / "help").glob("test-*.txt"))) == 1


def test_help_needs_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path / "file"))
    assert exit_code(["summary", "--help-all"]) == 0
    assert "--batch_size" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "which command?"),
        (["fitt"], "Did you mean 'fit'?"),
        (["train"], "Did you mean 'fit'?"),
        (["Evaluate"], "Did you mean 'test'?"),
        (["sweep"], "Did you mean 'search'?"),
        (["--config", "a.yaml"], "the command comes first"),
        (["fit", "--trust"], "--trust: name a package"),
    ],
)
def test_slips_are_told(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(arguments) == 2
    assert said in capsys.readouterr().err


# --- what is needed first ---------------------------------------------------------------------------------------------


def settings(command: str) -> set[str]:
    """Every key of a command, with those of the usual classes."""
    found = set(settings_of(parsers()[1][command]))
    classes = [("model", Classifier), ("model.init_args.optimizer", torch.optim.SGD)]
    for prefix, cls in (*classes, ("data", EuroSAT), ("data", Table)):
        given = 1 if cls is torch.optim.SGD else 0
        found |= {f"{prefix}.init_args.{key}" for key in class_settings(cls, given)}
    return found


@pytest.mark.parametrize("command", list(help.CONFIGURED))
def test_the_first_options_are_those_of_the_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code([command, "--config", "a.yaml", "--help"]) == 0
    printed = capsys.readouterr().out
    options = [line.split()[0].removesuffix("+") for line in printed.splitlines() if line.startswith("  --")]
    assert options[-2:] == ["--help-all", "--model.help"]
    first = options[:-2]
    assert {"--config", "--data.init_args.root", "--print_config"} <= set(first)
    assert len(first) <= 15
    assert not {option.removeprefix("--") for option in first} - settings(command) - {"config", "print_config"}


def test_a_training_has_fifteen_first_options() -> None:
    assert sum("fit" in option.commands and option.name.startswith("--") for option in FIRST) == 15


def test_what_is_meant_is_there() -> None:
    assert set(COMMANDS_MEANT.values()) <= {*help.CONFIGURED, *help.OTHERS}
    assert not set(OPTIONS_MEANT.values()) - settings("fit") - {"trainer.devices"}
    assert not set(OPTIONS_MEANT) & {key.partition(".")[0] for key in settings("fit")}
    assert not set(HELPS) - settings("fit") - {"ckpt_path"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("--lr", "model.init_args.optimizer.init_args.lr"),
        ("--learning-rate", "model.init_args.optimizer.init_args.lr"),
        ("--learning_rate", "model.init_args.optimizer.init_args.lr"),
        ("--epochs", "trainer.max_epochs"),
        ("--batch_size", "data.init_args.batch_size"),
        ("--gpus", "trainer.devices"),
    ],
)
def test_options_of_other_programs_point_to_what_is_meant(option: str, meant: str) -> None:
    for more in ([], ["--config", str(CONFIGS / "tiny_resnet18.yaml")]):
        with pytest.raises(UserError, match=f"fit has no key .*Did you mean '{meant}'"):
            parsed("fit", option, "1", *more)


class WithoutMap(Encoder):
    out_features = 3

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def test_an_encoder_without_a_map_is_told_so_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    named = ["--model.init_args.encoder", f"{__name__}.WithoutMap"]
    with pytest.raises(UserError, match="WithoutMap has no forward_map, which it needs"):
        parsed("fit", "--config", str(CONFIGS / "tiny_resnet18.yaml"), *named)
    with pytest.raises(UserError, match="Encoder is abstract: name a class that is made from it"):
        parsed("fit", "--config", str(CONFIGS / "tiny_resnet18.yaml"), named[0], "eurosat_cls.encoders.Encoder")
