"""The completion script, as a shell uses it."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from eurosat_cls.cli.short_names import VOCABULARY
from eurosat_cls.config.completion import completion
from tests.config.parsers import parsed, parsers

BASH = shutil.which("bash")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "eurosat-cls.sh"
    path.write_text(completion(parsers()[1], VOCABULARY))
    return path


def proposed(script: Path, *words: str) -> list[str]:
    """What bash proposes for the last one of these words after the program's name."""
    code = (
        f"source {script}; COMP_WORDS=(eurosat-cls {shlex.join(words)}); COMP_CWORD={len(words)}; _eurosat_cls; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run([BASH or "bash", "-c", code], capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.slow
@pytest.mark.skipif(BASH is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["su"], {"summary"}),
        (["desc"], {"describe"}),
        (["fit", "--trainer.max_e"], {"--trainer.max_epochs"}),
        (["fit", "--model.init_args.lr_m"], {"--model.init_args.lr_multipliers"}),
        (["fit", "--model", ""], {"AutoEncoder", "Classifier"}),
        (["fit", "--model.init_args.encoder", "R"], {"ResNet"}),
        (["fit", "--data", "E"], {"EuroSAT"}),
        (["test", "--ckpt_path", "b"], {"best"}),
        (["lr_find", "--min"], {"--min_lr"}),
        (["fit", "--min"], set()),
        (["fit", "--config", "a"], set()),  # left to the shell, which proposes files
    ],
)  # fmt: skip
def test_bash_proposes_what_fits(script: Path, words: list[str], expected: set[str]) -> None:
    assert set(proposed(script, *words)) == expected


@pytest.mark.slow
def test_the_script_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh"):
        with pytest.raises(SystemExit):
            parsed("fit", "--print_completion", shell)
        assert "complete -o default -F _eurosat_cls eurosat-cls" in capsys.readouterr().out
